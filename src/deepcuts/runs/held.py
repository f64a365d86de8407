"""Weights that are 0 before a run begins: counted, and held there if that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from deepcuts.common.errors import InputError
from deepcuts.masks.budget import Budget
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot
from deepcuts.masks.selection import planned_counts


def zeros_of(start: Snapshot, names: Iterable[str]) -> int:
    """How many weights of the named parameters are 0."""
    return sum(int((start.tensors[name] == 0).sum()) for name in names)


def masks_of_others(start: Snapshot, names: Iterable[str]) -> Masks:
    """Masks that keep every weight that is not 0, a −0 among them."""
    return Masks({name: start.tensors[name] != 0 for name in names})


def check_held(budget: Budget, held: Masks, shapes: Mapping[str, Sequence[int]], scope: str) -> None:
    """Refuse a budget that would keep weights that are held at 0.

    Args:
        budget: How much is kept.
        held: What is not held at 0.
        shapes: Parameter name → shape.
        scope: Of the strategy, unless the budget has one.

    Raises:
        InputError: It would, in all or, where the allocation says it before, in a tensor.
    """
    kept = budget.kept_in_all(held.total)
    if kept > held.kept:
        raise refusal(kept, "", held.kept)
    for name, count in (planned_counts(shapes, budget, scope) or {}).items():
        if count > held.kept_by_tensor[name]:
            raise refusal(count, f" of {name}", held.kept_by_tensor[name])


def refusal(kept: int, where: str, left: int) -> InputError:
    """Says that more weights would be kept than are not 0."""
    return InputError(
        "keep_zeros",
        True,
        f"{kept:,} weights{where} would be kept, of which only {left:,} are not 0; ask for a lower density"
        + (", or for --scope global" if where else ""),
    )
