"""From scores to masks: exactly as many weights as the budget says, ties by position."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from deepcuts.budget import Budget
from deepcuts.masks import Masks
from deepcuts.scores import Scores
from deepcuts.strategy import Scope


def select(scores: Scores, budget: Budget, scope: Scope | None = None) -> Masks:
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
    chosen: Scope = scope or budget.scope or scores.strategy.scope
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


def _kth_highest(scores: Mapping[str, Tensor], k: int) -> Tensor:
    """The k-th highest of all these scores, ``()``; needs one copy of them."""
    flat = [value.detach().flatten() for value in scores.values()]
    if flat[0].device.type == "cpu":  # numpy's introselect is several times faster than kthvalue on a CPU
        copy = np.concatenate([value.numpy() for value in flat])
        rank = copy.size - k
        copy.partition(rank)
        return torch.from_numpy(copy[rank : rank + 1]).clone().squeeze(0)
    return _kth_highest_elsewhere(torch.cat(flat), k)


def _kth_highest_elsewhere(flat: Tensor, k: int) -> Tensor:
    return flat.kthvalue(flat.numel() - k + 1).values
