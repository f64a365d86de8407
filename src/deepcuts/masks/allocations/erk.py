"""Erdős–Rényi-Kernel: a tensor's density is in proportion to the sum of its sides over their product.

Source: Evci et al., "Rigging the lottery: making all tickets winners", 2020, after Mocanu et al., 2018. Large
matrices are cut harder than small ones. A bias has one side, so that the formula would leave it more than it
has: it stays whole, as in the paper, until the budget is very small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from deepcuts.masks.allocations.registry import Allocation, allocation
from deepcuts.masks.budget import Budget


@allocation
class ERK(Allocation):
    """Tensor l keeps ``ε · (sum of its sides)`` weights; one that would keep more than it has is left whole.

    ε is the number with which all together keep the budget; what whole tensors don't take goes to the others.
    """

    name = "ERK"
    scope = "erk"
    summary = "densities in proportion to (inputs + outputs) / (inputs · outputs)"
    source = "Evci et al., 2020"

    def counts(
        self, shapes: Mapping[str, Sequence[int]], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, int]:
        """Every tensor's exact share rounded down or up: the largest remainders up, ties by position."""
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        sides = {name: sum(shape) or 1 for name, shape in shapes.items()}
        total = budget.kept_in_all(sum(sizes.values()))
        whole: set[str] = set()
        while True:
            open_ones = [name for name in sizes if name not in whole]
            left = total - sum(sizes[name] for name in whole)
            scale = Fraction(left, sum(sides[name] for name in open_ones)) if open_ones else Fraction(0)
            over = {name for name in open_ones if scale * sides[name] > sizes[name]}
            if not over:
                break
            whole |= over
        shares = {name: Fraction(sizes[name]) if name in whole else scale * sides[name] for name in sizes}
        kept = {name: math.floor(share) for name, share in shares.items()}
        by_remainder = sorted(sizes, key=lambda name: kept[name] - shares[name])
        for name in by_remainder[: total - sum(kept.values())]:
            kept[name] += 1
        return kept
