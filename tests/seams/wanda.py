"""A criterion of somebody else's with a statistic of its own: weight times a power of its input's norm.

Formula: ``|w| · ‖x‖₂ᵖ``. Source: Sun et al., "A simple and effective pruning approach for large language
models", 2023. The norm is over all tokens of all batches, so it is no sum of scores of batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deepcuts import Call, LayerStatistic, Option, ParamStats, ScoringOptions, criterion, statistic
from deepcuts.scoring.shared_options import PADDING

POWER = Option("norm_power", float, 1.0, "Power of the input's norm.", above=0)


@statistic("input_power", options=[PADDING])
class InputPower(LayerStatistic):
    """‖x_j‖₂ over all tokens that are no padding; a bias's input is 1."""

    def __init__(self, layers: Sequence[nn.Linear], options: ScoringOptions) -> None:
        weight = layers[0].weight
        self.padding = options.padding
        self.state = {
            "squares": torch.zeros(layers[0].in_features, device=weight.device),
            "count": torch.zeros((), device=weight.device),
        }

    def observe(self, call: Call) -> None:
        """Add the squares of one run's inputs."""
        self.state["squares"] += call.total(call.inputs.square(), self.padding)
        self.state["count"] += call.count(self.padding)

    def compute(self, parameter: Tensor) -> Tensor:
        """``(1, in_features)`` for a weight's columns, ``(1,)`` for a bias."""
        found = self.state["squares"][None] if parameter.dim() == 2 else self.state["count"][None]
        return found.sqrt()


@criterion(
    "PowerWanda", needs=["input_power"], formula="|w| · ‖x‖ᵖ", source="Sun et al., 2023", options=[POWER]
)
def power_wanda(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w| · ‖x‖₂ᵖ``, shaped like the tensor."""
    return stats.value.abs() * stats["input_power"].pow(options.norm_power)
