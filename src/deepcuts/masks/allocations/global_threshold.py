"""One threshold over the scores of all tensors.

Source: DeepCuts, §3.5: one global quantile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepcuts.masks.allocations.registry import Allocation, allocation
from deepcuts.masks.budget import Budget

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor


@allocation
class Global(Allocation):
    """The highest scores are kept, wherever they are; a tensor may be left with nothing."""

    name = "Global"
    scope = "global"
    summary = "one threshold over all"
    source = "DeepCuts, §3.5"

    def choose(
        self, scores: Mapping[str, Tensor], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """The highest scores of all."""
        from deepcuts.masks.highest import highest  # late: it needs torch

        return highest(scores, budget.kept_in_all(sum(value.numel() for value in scores.values())))
