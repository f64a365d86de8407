"""The mean output a of a tensor's linear layer in one batch, before any activation function.

Over the sequences and tokens of the batch, padding left out. Source: DeepCuts, §3.4. A layer that runs
several times in a pass, as ALBERT's shared ones do, is averaged over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepcuts.common.errors import ScoringError
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.shared_options import PADDING
from deepcuts.scoring.statistics.registry import Call, LayerStatistic, statistic

if TYPE_CHECKING:
    from torch import Tensor, nn


@statistic("activation", per_batch=True, options=[PADDING])
class MeanOutput(LayerStatistic):
    """Sum of the outputs and how many there were."""

    reads_inputs = False

    def __init__(self, layers: Sequence[nn.Linear], options: ScoringOptions) -> None:
        super().__init__(layers, options)
        self._layers = layers
        self._padding = options.padding
        self._sum: Tensor | None = None  # (out_features,)
        self._count = 0.0
        self._mean: Tensor | None = None  # likewise

    def observe(self, call: Call) -> None:
        """Count one output."""
        total = call.total(call.output, self._padding)
        self._sum = total if self._sum is None else self._sum + total
        self._count += call.count(self._padding)
        self._mean = None

    def compute(self, parameter: Tensor) -> Tensor:
        """The mean, ``(out_features, 1)`` for a weight's rows, ``(out_features,)`` for a bias.

        Raises:
            ScoringError: No layer ran.
        """
        if self._sum is None:
            raise ScoringError(
                f"{self._layers[0]} took no part in the forward pass, so it has no activations"
            )
        if self._mean is None:  # once for a weight and its bias
            self._mean = self._sum / self._count
        return self._mean.unsqueeze(1) if parameter.dim() == 2 else self._mean
