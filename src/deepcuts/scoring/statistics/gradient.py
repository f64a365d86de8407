"""The gradient g of one batch's loss, shaped like the tensor: of whichever kind the strategy names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.statistics.registry import GradientStatistic, statistic

if TYPE_CHECKING:
    from torch import Tensor


@statistic("gradient", per_batch=True)
class Gradient(GradientStatistic):
    """The gradient itself; nothing is copied."""

    def update(self, gradient: Tensor) -> None:
        """Take the batch's gradient."""
        self._gradient = gradient

    def compute(self, parameter: Tensor) -> Tensor:
        """The gradient, shaped like the parameter."""
        return self._gradient
