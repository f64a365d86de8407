"""Layer-adaptive magnitude: scores made comparable between tensors, then one threshold over all.

Formula: ``s² / Σ s'²`` over the tensor's scores s' that are no lower. Source: Lee et al., "Layer-adaptive
sparsity for the magnitude-based pruning", 2020, where s is the weight's magnitude: ``LAMPMagWeight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepcuts.masks.allocations.registry import Allocation, allocation
from deepcuts.masks.budget import Budget

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor


@allocation
class LAMP(Allocation):
    """The formula of the scores' sizes says how many weights each tensor keeps; it keeps its highest.

    For scores of 0 or more that is the highest by the formula. Every tensor that has a score above 0 keeps at
    least one weight, as the formula of its highest is 1.
    """

    name = "LAMP"
    scope = "lamp"
    summary = "one threshold over s² / (sum of the tensor's s² that are no lower)"
    source = "Lee et al., 2020"

    def choose(
        self, scores: Mapping[str, Tensor], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """As many of the highest of each tensor as the formula says."""
        from deepcuts.masks.highest import highest  # late: it needs torch

        total = budget.kept_in_all(sum(value.numel() for value in scores.values()))
        chosen = highest({name: adapted(value) for name, value in scores.items()}, total)
        return {
            name: highest({name: value}, int(chosen[name].count_nonzero()))[name]
            for name, value in scores.items()
        }


def adapted(scores: Tensor) -> Tensor:
    """The formula of a tensor's scores, from the highest down, ``(weights,)``, float64; 0 for scores of 0."""
    from deepcuts.masks.highest import ascending  # late: it needs torch

    squares = ascending(scores.detach().abs().flatten()).flip(0).double().square_()
    return squares.div_(squares.cumsum(0)).nan_to_num_(0.0)
