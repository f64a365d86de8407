"""The highest of many scores: exactly as many as asked for, ties by position."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor


def highest(scores: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Masks of the `count` highest of all these scores; equal ones by position, the first first.

    Args:
        scores: Name → scores of any shape, layout and floating type, finite; never changed.
        count: How many, from 0 to all.

    Returns:
        Name → bool tensor, shaped like the scores, contiguous, on their device; True for the highest.
    """
    if count == 0:
        return {name: torch.zeros(value.shape, dtype=torch.bool, device=value.device)
                for name, value in scores.items()}  # fmt: skip
    scores = _of_one_type(scores)
    threshold = _kth_highest(scores, count)
    masks = {name: (value >= threshold).contiguous() for name, value in scores.items()}
    surplus = sum(int(mask.count_nonzero()) for mask in masks.values()) - count
    for name in reversed(masks):  # ties, from the last on
        if surplus:
            ties = (scores[name] == threshold).flatten().nonzero().squeeze(1)
            dropped = ties[max(0, len(ties) - surplus) :]
            masks[name].view(-1)[dropped] = False
            surplus -= len(dropped)
    return masks


def highest_in_rows(scores: Tensor, counts: Tensor) -> Tensor:
    """A mask of the highest of every row; equal ones by position, the first first.

    Args:
        scores: ``(rows, length)``, of any floating type, finite; never changed.
        counts: ``(rows,)``, how many of each, whole numbers from 0 to all.

    Returns:
        ``(rows, length)``, bool, on the scores' device.
    """
    counts = counts.to(scores.device)[:, None]  # (rows, 1)
    if not scores.numel():
        return torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
    ordered = ascending(scores)
    threshold = ordered.gather(1, scores.shape[1] - counts.clamp_min(1))
    masks = scores > threshold
    ties = scores == threshold
    # Of the ties, as many as are missing, from the first on.
    masks |= ties & (ties.cumsum(1) <= counts - masks.sum(1, keepdim=True))
    return masks & (counts > 0)


def ascending(scores: Tensor) -> Tensor:
    """A copy, each row of the last dimension sorted from the lowest up; what is narrower in float32."""
    scores = _of_one_type({"": scores})[""]
    if scores.device.type != "cpu":
        return scores.sort(-1).values
    copy = scores.numpy().copy()  # its sort is several times faster than torch's on a CPU
    copy.sort(-1)
    return torch.from_numpy(copy)


def _of_one_type(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same numbers in one type that holds them all; float32 scores as they are, float16 in float32."""
    common = reduce(torch.promote_types, {value.dtype for value in scores.values()}, torch.float32)
    return {name: value.detach().to(common) for name, value in scores.items()}


#: Of this many values or more, most are ruled out before any is copied.
_MANY = 1 << 16


def _kth_highest(scores: Mapping[str, Tensor], k: int) -> Tensor:
    """The k-th highest of all these scores, ``()``.

    A sample says between which two values it must lie; what is higher is counted, and only what lies
    between is copied. The counts show whether the sample was right; if it was not, everything is copied.
    """
    flat = [value.flatten() for value in scores.values()]
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
