"""Measures of many resamples of the dev rows at once, for bootstrap intervals.

A resample is a row of counts, how often each dev row was drawn. Models that are measured with the same counts
have been measured on the same resampled rows, so a difference between them is a paired one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deepcuts.common.errors import InputError
from deepcuts.common.seeds import check_seed
from deepcuts.tasks.kinds.kind import kind_named

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
        InputError: A number is below 1, or the seed out of range.
    """
    check_seed(seed)
    if rows < 1 or replicates < 1:
        raise InputError("replicates", (rows, replicates), "rows and replicates must be 1 or more")
    generator = np.random.default_rng(seed)
    counts = np.ones((1 + replicates, rows), dtype=np.uint16)
    for replicate in range(1, 1 + replicates):
        counts[replicate] = np.bincount(generator.integers(0, rows, rows), minlength=rows)
    return counts


def measure_resamples(
    kind: str, predictions: Array, targets: Array, counts: Array, measures: Sequence[str]
) -> dict[str, Array]:
    """Measure predictions on every resample, as `deepcuts.tasks.measure` does on the rows themselves.

    Args:
        kind: Name of the kind of task.
        predictions: ``(rows, …)``, as the kind of task says.
        targets: ``(rows,)``.
        counts: ``(replicates, units)``, see `draw_counts`; units are rows, or what the kind says.
        measures: Names of measures.

    Returns:
        Measure → ``(replicates,)``. A correlation is 0 where predictions or targets are all equal.

    Raises:
        InputError: There is no such measure for this kind of task.
    """
    asked = kind_named(kind)
    for name in measures:
        asked.described(name)
    parts = [
        asked.measure(predictions, targets, chunk.astype(np.float64), measures) for chunk in _chunks(counts)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in measures}


def interval(values: Array, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap replicates, ``(replicates,)``."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _chunks(counts: Array) -> Iterator[Array]:
    step = max(1, _CHUNK // counts.shape[1])
    for start in range(0, len(counts), step):
        yield counts[start : start + step]
