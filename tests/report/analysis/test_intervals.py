"""Intervals cover as often as they say, which the bootstrap over few seeds, used before, did not."""

from __future__ import annotations

import numpy as np
import pytest

from deepcuts.report.analysis.intervals import SEEDS_NEEDED, Interval, corrected_level, interval_of_mean
from deepcuts.report.summary import comparisons


def test_an_interval_over_seeds_is_students() -> None:
    """Quantiles from a printed table of t."""
    found = interval_of_mean([1.0, 2.0, 6.0], None)
    assert found == pytest.approx((3 - 4.302653 * 7**0.5 / 3**0.5, 3 + 4.302653 * 7**0.5 / 3**0.5, "seeds"))
    five = interval_of_mean([0.0, 0.0, 1.0, 2.0, 2.0], None, level=0.99)
    assert five == pytest.approx((1 - 4.604095 * 0.2**0.5, 1 + 4.604095 * 0.2**0.5, "seeds"))


@pytest.mark.parametrize("count", [1, 2])
def test_with_one_or_two_seeds_nothing_is_said_about_seeds(count: int) -> None:
    assert interval_of_mean([1.0, 9.0][:count], None) is None
    resampled = np.random.default_rng(0).normal(5, 2, 4000)
    found = interval_of_mean([1.0, 9.0][:count], resampled)
    assert found == pytest.approx((*np.quantile(resampled, [0.025, 0.975]), "dev rows"))
    wider = interval_of_mean([5.0] * count, resampled, level=0.99)
    assert wider == pytest.approx((5 - 2.5758 * 2, 5 + 2.5758 * 2, "dev rows"), abs=0.1)


def test_seeds_that_agree_to_the_last_digit_leave_the_rows() -> None:
    resampled = np.random.default_rng(0).normal(0.5, 2, 4000)
    found = interval_of_mean([0.5, 0.5, 0.5], resampled)
    assert found == pytest.approx((0.5 - 1.96 * 2, 0.5 + 1.96 * 2, "seeds and dev rows"), abs=0.1)


def covered(intervals: list[Interval | tuple[float, float]], value: float) -> float:
    return float(np.mean([low <= value <= high for low, high, *_ in intervals]))


@pytest.mark.parametrize(("seeds", "before"), [(3, 0.75), (5, 0.83)])
def test_coverage_over_seeds(seeds: int, before: float) -> None:
    """4000 studies of normal differences, whose standard error in coverage is 0.0034."""
    generator = np.random.default_rng(seeds)
    drawn = generator.normal(0.3, 1.7, (4000, seeds))
    students = [interval_of_mean(one, None) for one in drawn]
    assert covered(students, 0.3) == pytest.approx(0.95, abs=0.012)
    means = drawn[:, generator.integers(0, seeds, (400, seeds))].mean(axis=2)  # (studies, replicates)
    percentiles = np.quantile(means, [0.025, 0.975], axis=1).T
    assert covered([tuple(one) for one in percentiles], 0.3) == pytest.approx(before, abs=0.03)


@pytest.mark.parametrize("of_rows", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("seeds", [3, 5])
def test_coverage_over_seeds_and_rows(seeds: int, of_rows: float) -> None:
    """Rows, seeds and both together matter: it covers what other seeds on other rows would average to."""
    generator = np.random.default_rng(seeds)
    rows, found = 50, []
    for _ in range(1500):
        values = (
            generator.normal(0.3, 0.5, (seeds, 1))
            + generator.normal(0, of_rows, (1, rows))
            + generator.normal(0, 1, (seeds, rows))
        )
        draws = generator.integers(0, rows, (150, rows))
        resampled = values.mean(axis=0)[draws].mean(axis=1)
        interval = interval_of_mean(values.mean(axis=1), resampled)
        assert interval is not None
        found.append(interval)
    assert 0.935 <= covered(found, 0.3) <= 0.99


def test_the_best_of_equal_strategies_is_seldom_called_better() -> None:
    """Six strategies that are equal: corrected, a difference is found in one study of twenty at most."""
    generator = np.random.default_rng(0)
    level = corrected_level(comparisons(6, 0))
    assert level == pytest.approx(1 - 0.05 / 15)
    wrong = {0.95: 0, level: 0}
    for _ in range(1000):
        values = generator.normal(0, 1, (6, 5))  # (strategies, seeds)
        best = values[values.mean(axis=1).argmax()]
        others = [best - one for one in values if one is not best]
        for asked in wrong:
            intervals = [interval_of_mean(one, None, asked) for one in others if one.any()]
            wrong[asked] += any(one is not None and one.low > 0 for one in intervals)
    assert wrong[level] <= 50
    assert wrong[0.95] >= 150, "without a correction"


def test_pairs_that_could_have_been_compared() -> None:
    assert comparisons(1, 0) == 0
    assert comparisons(2, 0) == 1
    assert comparisons(4, 2) == 6 + 8
    assert corrected_level(0) == corrected_level(1) == 0.95
    assert SEEDS_NEEDED == 3
