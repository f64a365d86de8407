"""The norm ‖x_j‖₂ of each input of a tensor's linear layer over all tokens of all batches, padding left out.

Source: Sun et al., "A simple and effective pruning approach for large language models", 2023. A bias's input
is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.shared_options import PADDING
from deepcuts.scoring.statistics.registry import Call, LayerStatistic, statistic

if TYPE_CHECKING:
    from torch import Tensor, nn


@statistic("input_norm", options=[PADDING])
class InputNorm(LayerStatistic):
    """Sums of the inputs' squares, and how many tokens there were."""

    def __init__(self, layers: Sequence[nn.Linear], options: ScoringOptions) -> None:
        import torch  # late: a command's help should not wait for it

        weight = layers[0].weight
        self._padding = options.padding
        self.state = {
            "squares": torch.zeros(weight.shape[1], dtype=torch.float64, device=weight.device),
            "count": torch.zeros((), dtype=torch.float64, device=weight.device),
        }

    @classmethod
    def memory(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """A number an input."""
        return 8 * (shape[1] + 1) if len(shape) == 2 else 8

    @classmethod
    def working(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """As little."""
        return cls.memory(shape, options)

    def observe(self, call: Call) -> None:
        """Add the squares of one run's inputs."""
        self.state["squares"] += call.total(call.inputs.square(), self._padding)
        self.state["count"] += call.count(self._padding)

    def compute(self, parameter: Tensor) -> Tensor:
        """``(1, in_features)`` for a weight's columns, ``(1,)`` for a bias."""
        found = self.state["squares"] if parameter.dim() == 2 else self.state["count"]
        return found[None].sqrt().float()
