"""One threshold over all, but every tensor keeps a part of its equal share.

Source: this project. A global threshold can leave a tensor with next to nothing: magnitude empties the
pooler, and |w · g| leaves it so few weights at 2 % that the head never hears of the sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from deepcuts.common.options import Option
from deepcuts.masks.allocations.registry import Allocation, allocation
from deepcuts.masks.budget import Budget

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor

FLOOR = Option(
    "floor",
    float,
    0.25,
    "Of its equal share, what every tensor keeps in any case.",
    at_least=0,
    at_most=1,
    title="floor, part of the equal share",
)


@allocation
class Floor(Allocation):
    """Every tensor keeps its highest scores up to its floor; the rest of the budget goes by one threshold.

    With f = 0 it is `Global`, with f = 1 `Layer`.
    """

    name = "Floor"
    scope = "floor"
    summary = "one threshold over all, but every tensor keeps a share of f · density of itself"
    source = "this project"
    options = (FLOOR,)

    def choose(
        self, scores: Mapping[str, Tensor], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """The floor of each tensor, and the highest of all that is left."""
        import torch  # late: a command's help should not wait for it

        from deepcuts.masks.highest import highest

        floors = least({name: value.shape for name, value in scores.items()}, budget, options["floor"])
        first = {
            name: value.detach().masked_fill(highest({name: value}, floors[name])[name], torch.inf)
            for name, value in scores.items()
        }
        return highest(first, budget.kept_in_all(sum(value.numel() for value in scores.values())))


def least(shapes: Mapping[str, Sequence[int]], budget: Budget, floor: float) -> dict[str, int]:
    """How many weights each tensor keeps at least: f · d of its own, rounded up.

    It is never more than `Layer` leaves the tensor, so all of them fit the budget whatever is rounded.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    share = Fraction(str(floor)) * budget.density
    return {
        name: min(math.ceil(share * sizes[name]), equal)
        for name, equal in budget.kept_by_tensor(sizes).items()
    }
