"""Classes that count differently in a loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor


def balanced(classes: int, targets: Sequence[int]) -> list[float]:
    """``n / (k · n_c)`` of n rows, k classes that occur, n_c rows of class c: 1 for the mean row.

    Args:
        classes: How many classes there are; one that does not occur counts 1.
        targets: A class id a row.
    """
    counts = Counter(map(int, targets))
    return [
        len(targets) / (len(counts) * counts[index]) if counts[index] else 1.0 for index in range(classes)
    ]


def weighted_loss(predictions: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The mean over rows of cross-entropy times the weight of the row's class, 0-dimensional.

    It is divided by rows and not by weights, so that batches of a step add up to one batch of all their rows.

    Args:
        predictions: Logits, ``(rows, classes)``.
        labels: Class ids, ``(rows,)``.
        weights: ``(classes,)``.
    """
    from torch.nn.functional import cross_entropy

    return cross_entropy(predictions.float(), labels, weights, reduction="none").mean()
