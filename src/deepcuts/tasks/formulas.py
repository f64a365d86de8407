"""The one implementation of each measure: for any number of weightings of the same rows at once.

The plain measure counts every row once; a resample of a bootstrap counts it as often as it was drawn. So both
are the same function, and no replicate is measured in a loop. ``counts`` is ``(replicates, rows)``, of
float64, with at least one row drawn in each; a measure is ``(replicates,)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Deviations that are a smaller share of a value than this are the rounding errors of a constant's.
_ROUNDING = 1e-13


def confusion(predicted: Array, targets: Array, classes: int, counts: Array) -> Array:
    """How often each class was predicted for each: ``(replicates, classes, classes)``, targets first.

    Args:
        predicted: Class ids, ``(rows,)``.
        targets: Class ids, ``(rows,)``.
        classes: How many classes there are.
        counts: ``(replicates, rows)``.
    """
    cells = targets.astype(np.int64) * classes + predicted  # (rows,): (target, predicted)
    occurring, place = np.unique(cells, return_inverse=True)  # of many classes' cells, most are empty
    found = np.zeros((len(counts), classes**2))
    found[:, occurring] = counts @ np.eye(len(occurring))[place]
    return found.reshape(-1, classes, classes)


def accuracy(confusion: Array) -> Array:
    """The share of rows whose class is right."""
    return np.asarray(np.trace(confusion, axis1=1, axis2=2) / confusion.sum(axis=(1, 2)))


def matthews(confusion: Array) -> Array:
    """Matthews' correlation, by Gorodkin (2004) for any number of classes; 0 for a constant."""
    rows = confusion.sum(axis=(1, 2))
    target, predicted = confusion.sum(axis=2), confusion.sum(axis=1)  # (replicates, classes)
    right = np.trace(confusion, axis1=1, axis2=2)
    covariance = right * rows - (target * predicted).sum(axis=1)
    spread = (rows**2 - (target**2).sum(axis=1)) * (rows**2 - (predicted**2).sum(axis=1))
    found: Array = np.divide(covariance, np.sqrt(spread), out=np.zeros_like(rows), where=spread > 0)
    return found


def f1(confusion: Array) -> Array:
    """F1 of the second of two classes, else the unweighted mean over the classes that occur."""
    return _f1_of_classes(confusion)[0][:, 1] if confusion.shape[1] == 2 else macro_f1(confusion)


def macro_f1(confusion: Array) -> Array:
    """The unweighted mean of the F1 of the classes that occur."""
    return mean_over_occurring(*_f1_of_classes(confusion))


def _f1_of_classes(confusion: Array) -> tuple[Array, Array]:
    """F1 of each class, and how often it is named, ``(replicates, classes)`` each."""
    named = confusion.sum(axis=2) + confusion.sum(axis=1)
    return f1_of_counts(np.diagonal(confusion, axis1=1, axis2=2), named), named


def f1_of_counts(right: Array, named: Array) -> Array:
    """F1 of so many right ones; 0 where nothing is named.

    Args:
        right: How many of what is predicted is a target, of any shape.
        named: How many are predicted and how many are targets, added up, shaped alike.
    """
    found: Array = np.divide(2 * right, named, out=np.zeros_like(named), where=named > 0)
    return found


def mean_over_occurring(each: Array, named: Array) -> Array:
    """The unweighted mean over the classes that occur, ``(replicates, classes)`` → ``(replicates,)``."""
    return np.asarray(each.sum(axis=1) / np.maximum((named > 0).sum(axis=1), 1))


def ranking_precision(scores: Array, has: Array) -> Array:
    """Label ranking average precision of each row, ``(rows,)``, by Tsoumakas et al. (2010).

    Of each label that a row has: which share of the labels scored as high or higher are the row's too; the
    mean over its labels. A row that has none or all of them is ranked right however it is.

    Args:
        scores: ``(rows, labels)``.
        has: Whether the row has the label, bool, ``(rows, labels)``.
    """
    from scipy.stats import rankdata

    among_all = rankdata(-scores, method="max", axis=1)
    among_own = rankdata(np.where(has, -scores, np.inf), method="max", axis=1)
    size = has.sum(axis=1)
    shares = np.where(has, among_own / among_all, 0).sum(axis=1) / np.maximum(size, 1)
    return np.where((size == 0) | (size == has.shape[1]), 1.0, shares)


def mean(values: Array, counts: Array) -> Array:
    """The mean of one value a row, ``(rows,)``."""
    return np.asarray(counts @ values / counts.sum(axis=1))


def pearson(first: Array, second: Array, counts: Array) -> Array:
    """Pearson's correlation of ``(rows,)`` each; 0 where one of them is constant."""
    return _correlation(first[None], second[None], counts)


def spearman(first: Array, second: Array, counts: Array) -> Array:
    """Spearman's correlation of ``(rows,)`` each, equal values sharing their mean rank; 0 for a constant."""
    return _correlation(_ranks(first, counts), _ranks(second, counts), counts)


def _ranks(values: Array, counts: Array) -> Array:
    """Rank of each row's value within each resample, ``(replicates, rows)``; equal ones share the mean."""
    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) == len(values):
        drawn = counts[:, np.argsort(values)]
    else:
        starts = np.searchsorted(np.sort(place), np.arange(len(distinct)))
        drawn = np.add.reduceat(counts[:, np.argsort(place, kind="stable")], starts, axis=1)
    middle = np.cumsum(drawn, axis=1) - (drawn - 1) / 2
    return np.asarray(middle[:, place])


def _correlation(first: Array, second: Array, counts: Array) -> Array:
    """Pearson's correlation in each resample, of ``(replicates or 1, rows)`` each."""
    total = counts.sum(axis=1, keepdims=True)
    first_off, second_off = (
        values - np.einsum("ij,ij->i", counts, np.broadcast_to(values, counts.shape))[:, None] / total
        for values in (first, second)
    )
    weighed = counts * first_off
    covariance = np.einsum("ij,ij->i", weighed, second_off)
    variances = (
        np.einsum("ij,ij->i", weighed, first_off),
        np.einsum("ij,ij->i", counts * second_off, second_off),
    )
    usable = np.ones(len(counts), dtype=bool)
    for values, variance in zip((first, second), variances, strict=True):
        largest = max(float(values.max()), -float(values.min()))
        usable &= variance > (_ROUNDING * largest) ** 2 * total[:, 0]
    spread = np.sqrt(variances[0]) * np.sqrt(variances[1])
    found: Array = np.divide(covariance, spread, out=np.zeros_like(covariance), where=usable)
    return np.clip(found, -1.0, 1.0)
