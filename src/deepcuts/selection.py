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
        values = {
            name: _highest(value.flatten(), kept[name]).view_as(value) for name, value in scores.items()
        }
    else:
        values = _highest_of_all(scores, budget)
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


def _highest_of_all(scores: Mapping[str, Tensor], budget: Budget) -> dict[str, Tensor]:
    flat = torch.cat([value.flatten() for value in scores.values()])
    mask = _highest(flat, budget.kept_in_all(flat.numel()))
    parts = torch.split_with_sizes(mask, [value.numel() for value in scores.values()])
    # Each part is copied, so that one tensor's mask does not keep all of them alive.
    return {
        name: part.view(value.shape).clone()
        for (name, value), part in zip(scores.items(), parts, strict=True)
    }


def _highest(values: Tensor, count: int) -> Tensor:
    """Mask of the `count` highest of a flat tensor; equal ones by position, the first first."""
    if count == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    threshold = _kth_highest(values, count)
    mask = values > threshold
    ties = (values == threshold).nonzero().squeeze(1)
    mask[ties[: count - int(mask.sum())]] = True
    return mask


def _kth_highest(values: Tensor, k: int) -> Tensor:
    if values.device.type == "cpu":  # numpy's introselect is several times faster than kthvalue on a CPU
        rank = values.numel() - k
        return torch.from_numpy(np.partition(values.numpy(), rank)[rank : rank + 1])
    return values.kthvalue(values.numel() - k + 1).values
