"""From scores to masks: exactly as many weights as the budget says, ties by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepcuts.common.errors import InvariantError
from deepcuts.common.options import checked_values
from deepcuts.masks.allocations import allocation_of
from deepcuts.masks.budget import Budget
from deepcuts.masks.importances import Importances
from deepcuts.masks.masks import Masks


def select(scores: Importances, budget: Budget, scope: str | None = None) -> Masks:
    """Keep the weights with the highest scores (DeepCuts, §3.5: one quantile, a tensor's or global).

    The number kept is exactly the planned one, also where masses of scores are equal; among equal scores
    at the threshold the first in the model's order are kept.

    Args:
        scores: Importances; never changed.
        budget: How much is kept.
        scope: ``"tensor"``, ``"global"``, or that of another allocation; by default the budget's, else that
            of the scores' strategy.

    Returns:
        Masks on the scores' device.

    Raises:
        ScoringError: A score is NaN or infinite.
        InputError: The budget keeps nothing, or there is no such scope, or the budget has an option that
            its allocation doesn't know.
        InvariantError: The allocation kept another number of weights than the budget says.
    """
    scores.check_finite()
    allocation = allocation_of(scope or budget.scope or scores.scope)
    options = checked_values(allocation.options, budget.options)
    values = allocation.choose(scores, budget, options)
    masks = Masks(values)
    kept, prunable = masks.kept, masks.total
    if kept != budget.kept_in_all(prunable) or list(values) != list(scores):
        raise InvariantError(
            f"the allocation {allocation.name} kept {kept:,} weights in {len(values)} tensors; planned were "
            f"{budget.kept_in_all(prunable):,} in {len(scores)}"
        )
    changed = allocation.changed(options)
    provenance = {
        "scores": scores.provenance,
        "budget": {
            "asked": budget.asked,
            "density": float(budget.density),
            "scope": allocation.scope,
            **({"options": changed} if changed else {}),
            "kept": kept,
            "prunable": prunable,
        },
    }
    return Masks(values, provenance)


def planned_counts(shapes: Mapping[str, Sequence[int]], budget: Budget, scope: str) -> dict[str, int] | None:
    """How many weights `select` will keep of each tensor, before any score is there.

    Args:
        shapes: Parameter name → shape, in the model's order.
        budget: How much is kept.
        scope: Of the allocation, unless the budget has one.

    Returns:
        Parameter name → number of kept weights; None where the scores decide.

    Raises:
        InputError: As `select`.
    """
    allocation = allocation_of(budget.scope or scope)
    return allocation.counts(shapes, budget, checked_values(allocation.options, budget.options))
