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
    right = np.diagonal(confusion, axis1=1, axis2=2)
    named = confusion.sum(axis=2) + confusion.sum(axis=1)
    each: Array = np.divide(2 * right, named, out=np.zeros_like(named), where=named > 0)
    if confusion.shape[1] == 2:
        return each[:, 1]
    return np.asarray(each.sum(axis=1) / (named > 0).sum(axis=1))


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
