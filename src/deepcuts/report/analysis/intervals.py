"""Intervals of a mean difference: over seeds, over dev rows, or over both.

Runs differ by their seed and are measured on rows that happened to be in dev; both could have been others.

- From `SEEDS_NEEDED` seeds on, an interval covers seeds: Student's t over the seeds' paired differences,
  ``mean ± t · s / √n``. A percentile bootstrap of so few would be far too narrow: it covers 75 % at three
  seeds and 83 % at five, where t covers 95 %.
- Where predictions were kept, it covers rows too: with V the variance of the mean over resamples of the rows,
  all seeds kept, the half-widths are squared and added, ``mean ± √(t² · s² / n + z² · V)``. Without noise of
  one kind the interval is the usual one for the other. What depends on seed and row together is in both
  terms, so it is rather too wide than too narrow. (One t with Satterthwaite's degrees of freedom is narrower
  where the few seeds agree by luck, and covers 93 % at three.)
- With fewer seeds it covers rows alone, by the percentiles of the bootstrap, and nothing is said about seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepcuts.report.cells import Array
from deepcuts.tasks.resampling import interval as percentiles

#: From so many seeds on, an interval covers them.
SEEDS_NEEDED = 3
#: What an interval covers of what could have been, unless several are looked at together.
LEVEL = 0.95


class Interval(NamedTuple):
    """An interval and what it covers: ``"seeds and dev rows"``, ``"seeds"`` or ``"dev rows"``."""

    low: float
    high: float
    covers: str


def interval_of_mean(
    by_seed: Sequence[float], resampled: Array | None, level: float = LEVEL
) -> Interval | None:
    """The interval of a mean over seeds.

    Args:
        by_seed: A value for each seed.
        resampled: ``(replicates,)``, the mean over these seeds on each resample of the rows; None where
            there are no predictions to resample.
        level: How often it is to cover. Above `LEVEL`, an interval over rows alone is the bootstrap's
            standard error times the normal quantile, because the percentiles would need tens of thousands
            of replicates.

    Returns:
        None with fewer seeds than `SEEDS_NEEDED` and nothing to resample.
    """
    from scipy.stats import norm, t

    count = len(by_seed)
    mean = float(np.mean(by_seed))
    tail = (1 + level) / 2
    of_rows = 0.0 if resampled is None else float(norm.ppf(tail)) * float(np.std(resampled, ddof=1))
    if count < SEEDS_NEEDED:
        if resampled is None:
            return None
        if level == LEVEL:
            return Interval(*percentiles(resampled, level), "dev rows")
        return Interval(mean - of_rows, mean + of_rows, "dev rows")
    of_seeds = float(t.ppf(tail, count - 1)) * float(np.std(by_seed, ddof=1)) / math.sqrt(count)
    half = math.hypot(of_seeds, of_rows)
    return Interval(mean - half, mean + half, "seeds" if resampled is None else "seeds and dev rows")


def corrected_level(comparisons: int, level: float = LEVEL) -> float:
    """The level of each of several intervals that together cover at least `level` (Bonferroni)."""
    return 1 - (1 - level) / max(1, comparisons)
