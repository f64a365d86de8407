"""From scores to masks: exactly as many weights as the budget says, ties by position."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from deepcuts.masks.budget import Budget, Scope
from deepcuts.masks.importances import Importances
from deepcuts.masks.masks import Masks


def select(scores: Importances, budget: Budget, scope: Scope | None = None) -> Masks:
    """Keep the weights with the highest scores (DeepCuts, §3.5: one quantile, a tensor's or global).

    The number kept is exactly the planned one, also where masses of scores are equal; among equal scores
    at the threshold the first in the model's order are kept.

    Args:
        scores: Importances; never changed.
        budget: How much is kept.
        scope: ``"tensor"`` or ``"global"``; by default the budget's, else that of the scores' strategy.

    Returns:
        Masks on the scores' device.

    Raises:
        ScoringError: A score is NaN or infinite.
        InputError: The budget keeps nothing.
    """
    scores.check_finite()
    chosen: Scope = scope or budget.scope or scores.scope
    if chosen == "tensor":
        kept = budget.kept_by_tensor({name: value.numel() for name, value in scores.items()})
        values = {name: _highest({name: value}, kept[name])[name] for name, value in scores.items()}
    else:
        values = _highest(scores, budget.kept_in_all(sum(value.numel() for value in scores.values())))
    masks = Masks(values)
    provenance = {
        "scores": scores.provenance,
        "budget": {
            "asked": budget.asked,
            "density": float(budget.density),
            "scope": chosen,
            "kept": masks.kept,
            "prunable": masks.total,
        },
    }
    return Masks(values, provenance)


def _highest(scores: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Masks of the `count` highest of all these scores; equal ones by position, the first first."""
    if count == 0:
        return {name: torch.zeros_like(value, dtype=torch.bool) for name, value in scores.items()}
    threshold = _kth_highest(scores, count)
    masks = {name: value >= threshold for name, value in scores.items()}
    surplus = sum(int(mask.count_nonzero()) for mask in masks.values()) - count
    for name in reversed(masks):  # ties, from the last on
        if surplus:
            ties = (scores[name] == threshold).flatten().nonzero().squeeze(1)
            dropped = ties[max(0, len(ties) - surplus) :]
            masks[name].view(-1)[dropped] = False
            surplus -= len(dropped)
    return masks


#: Of this many values or more, most are ruled out before any is copied.
_MANY = 1 << 16


def _kth_highest(scores: Mapping[str, Tensor], k: int) -> Tensor:
    """The k-th highest of all these scores, ``()``.

    A sample says between which two values it must lie; what is higher is counted, and only what lies
    between is copied. The counts show whether the sample was right; if it was not, everything is copied.
    """
    flat = [value.detach().flatten() for value in scores.values()]
    total = sum(value.numel() for value in flat)
    if total >= _MANY:
        low, high = _around(flat, k / total, total)
        higher = int(torch.stack([(value > high).count_nonzero() for value in flat]).sum())
        between = torch.cat([value[(value >= low) & (value <= high)] for value in flat])
        if higher < k <= higher + between.numel():
            return _kth_highest_of(between, k - higher)
    return _kth_highest_of(torch.cat(flat), k)


def _around(flat: Sequence[Tensor], share: float, total: int) -> tuple[Tensor, Tensor]:
    """Two values with, almost surely, the one between them that `share` of all values are higher than.

    The sample is spread evenly; its step is odd, so that it doesn't stay in the same columns of a weight.
    Were it random, the value would lie outside once in a million times.
    """
    step = max(1, math.isqrt(total) // 8) | 1  # a sample of about eight times the root, soon sorted
    sample = torch.cat([value[::step] for value in flat]).sort(descending=True).values
    size = sample.numel()
    margin = 5 * (size * share * (1 - share)) ** 0.5 + 1
    first, last = math.floor(size * share - margin), math.ceil(size * share + margin)
    return sample[min(last, size - 1)], sample[max(first, 0)]


def _kth_highest_of(values: Tensor, k: int) -> Tensor:
    """Of values that may be overwritten."""
    rank = values.numel() - k
    if values.device.type != "cpu":
        return values.kthvalue(rank + 1).values
    copy = values.numpy()  # its introselect is several times faster than kthvalue on a CPU
    copy.partition(rank)
    return torch.from_numpy(copy[rank : rank + 1]).clone().squeeze(0)
