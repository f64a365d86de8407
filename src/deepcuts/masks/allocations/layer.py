"""The same share of every tensor, which the paper calls layer-wise.

Source: DeepCuts, §3.5: one quantile a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepcuts.masks.allocations.registry import Allocation, allocation
from deepcuts.masks.budget import Budget


@allocation
class Layer(Allocation):
    """Every tensor keeps its exact share rounded down or up, see `Budget.kept_by_tensor`."""

    name = "Layer"
    scope = "tensor"
    summary = "the same density in every tensor"
    source = "DeepCuts, §3.5"

    def counts(
        self, shapes: Mapping[str, Sequence[int]], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, int]:
        """The share of each tensor; together they keep exactly the budget."""
        return budget.kept_by_tensor({name: math.prod(shape) for name, shape in shapes.items()})
