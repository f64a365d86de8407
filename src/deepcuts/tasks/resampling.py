"""Measures of many resamples of the dev rows at once, for bootstrap intervals.

A resample is a row of counts, how often each dev row was drawn. Models that are measured with the same counts
have been measured on the same resampled rows, so a difference between them is a paired one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from deepcuts.common.errors import InputError

Array = np.ndarray[Any, Any]

# Counts that are worked on at a time, which bounds the memory: some 8 arrays of 8 bytes each.
_CHUNK = 4_000_000


def draw_counts(rows: int, replicates: int, seed: int = 0) -> Array:
    """Draw rows with replacement.

    Args:
        rows: Number of dev rows.
        replicates: Number of resamples.
        seed: Seed of the draws.

    Returns:
        ``(1 + replicates, rows)`` of uint16: how often each row was drawn. The first resample is the data
        themselves, every row once.

    Raises:
        InputError: A number is below 1.
    """
    if rows < 1 or replicates < 1:
        raise InputError("replicates", (rows, replicates), "rows and replicates must be 1 or more")
    generator = np.random.default_rng(seed)
    counts = np.ones((1 + replicates, rows), dtype=np.uint16)
    for replicate in range(1, 1 + replicates):
        counts[replicate] = np.bincount(generator.integers(0, rows, rows), minlength=rows)
    return counts


def measure_resamples(
    kind: Literal["classification", "regression"],
    predictions: Array,
    targets: Array,
    counts: Array,
    measures: Sequence[str],
) -> dict[str, Array]:
    """Measure predictions on every resample, as `deepcuts.tasks.measure` does on the rows themselves.

    Args:
        kind: Of the task.
        predictions: ``(rows, outputs)``: logits, or one number a row; ``(rows,)`` will do for numbers.
        targets: ``(rows,)``.
        counts: ``(replicates, rows)``, see `draw_counts`.
        measures: Names of measures.

    Returns:
        Measure → ``(replicates,)``. A correlation is 0 where predictions or targets are all equal.

    Raises:
        InputError: There is no such measure for this kind of task.
    """
    function = _classify if kind == "classification" else _regress
    parts = [function(predictions, targets, chunk.astype(np.float64), measures) for chunk in _chunks(counts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in measures}


def interval(values: Array, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap replicates, ``(replicates,)``."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _chunks(counts: Array) -> Iterator[Array]:
    step = max(1, _CHUNK // counts.shape[1])
    for start in range(0, len(counts), step):
        yield counts[start : start + step]


def _classify(predictions: Array, targets: Array, counts: Array, measures: Sequence[str]) -> dict[str, Array]:
    classes = predictions.shape[1]
    cells = targets.astype(np.int64) * classes + predictions.argmax(axis=1)  # (rows,): (target, predicted)
    confusion = (counts @ np.eye(classes**2)[cells]).reshape(-1, classes, classes)
    functions = {"accuracy": _accuracy, "matthews": _matthews, "f1": _f1}
    return {name: _known(functions, name)(confusion) for name in measures}


def _accuracy(confusion: Array) -> Array:
    return np.asarray(np.trace(confusion, axis1=1, axis2=2) / confusion.sum(axis=(1, 2)))


def _matthews(confusion: Array) -> Array:
    """Gorodkin's generalisation to any number of classes, as in scikit-learn; 0 for a constant."""
    rows = confusion.sum(axis=(1, 2))
    target, predicted = confusion.sum(axis=2), confusion.sum(axis=1)  # (replicates, classes)
    right = np.trace(confusion, axis1=1, axis2=2)
    covariance = right * rows - (target * predicted).sum(axis=1)
    spread = (rows**2 - (target**2).sum(axis=1)) * (rows**2 - (predicted**2).sum(axis=1))
    found: Array = np.divide(covariance, np.sqrt(spread), out=np.zeros_like(rows), where=spread > 0)
    return found


def _f1(confusion: Array) -> Array:
    right = np.diagonal(confusion, axis1=1, axis2=2)
    named = confusion.sum(axis=2) + confusion.sum(axis=1)
    each: Array = np.divide(2 * right, named, out=np.zeros_like(named), where=named > 0)
    if confusion.shape[1] == 2:
        return each[:, 1]
    return np.asarray(each.sum(axis=1) / (named > 0).sum(axis=1))


def _regress(predictions: Array, targets: Array, counts: Array, measures: Sequence[str]) -> dict[str, Array]:
    predicted = predictions.reshape(len(targets)).astype(np.float64)
    wanted = targets.astype(np.float64)
    functions = {
        "mse": lambda: counts @ (predicted - wanted) ** 2 / counts.sum(axis=1),
        "mae": lambda: counts @ np.abs(predicted - wanted) / counts.sum(axis=1),
        "pearson": lambda: _correlate(predicted[None], wanted[None], counts),
        "spearman": lambda: _correlate(_ranks(predicted, counts), _ranks(wanted, counts), counts),
    }
    return {name: _known(functions, name)() for name in measures}


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


def _correlate(first: Array, second: Array, counts: Array) -> Array:
    """Pearson's correlation in each resample, of ``(replicates or 1, rows)`` each."""
    total = counts.sum(axis=1, keepdims=True)
    first, second = (
        values - (counts * values).sum(axis=1, keepdims=True) / total for values in (first, second)
    )
    covariance = (counts * first * second).sum(axis=1)
    variances = [(counts * values**2).sum(axis=1) for values in (first, second)]
    # A constant's deviations are rounding errors; single precision knows no others as small.
    usable = np.minimum(*variances) > 1e-20
    spread = np.sqrt(variances[0] * variances[1])
    found: Array = np.divide(covariance, spread, out=np.zeros_like(covariance), where=usable)
    return found


def _known(functions: dict[str, Any], name: str) -> Any:
    if name not in functions:
        raise InputError("measure", name, f"the measures are {', '.join(functions)}")
    return functions[name]
