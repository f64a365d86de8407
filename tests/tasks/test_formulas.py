"""Every measure against scikit-learn and scipy, on rows written out as often as they count."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    mean_absolute_error,
    mean_squared_error,
)

from deepcuts.tasks import formulas
from deepcuts.tasks.resampling import draw_counts


def written_out(counts: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    return [np.repeat(np.arange(counts.shape[1]), row.astype(int)) for row in counts]


def by_scipy(correlate: Callable[..., Any], first: Any, second: Any) -> float:
    """A constant tells nothing, which is what a correlation of 0 says."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(np.nan_to_num(correlate(first, second).statistic))


@given(st.integers(2, 30), st.integers(1, 40), st.integers(0, 2**31))
def test_classes_are_measured_as_by_scikit_learn(classes: int, rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, classes, rows)
    predicted = np.where(generator.random(rows) < 0.5, targets, generator.integers(0, classes, rows))
    counts = draw_counts(rows, 5, seed).astype(float)
    table = formulas.confusion(predicted, targets, classes, counts)
    each_of = (formulas.accuracy, formulas.matthews, formulas.f1, formulas.macro_f1)
    found = [formula(table) for formula in each_of]
    for number, drawn in enumerate(written_out(counts)):
        wanted, said = targets[drawn], predicted[drawn]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert (table[number] == confusion_matrix(wanted, said, labels=range(classes))).all()
            references = [
                accuracy_score(wanted, said),
                matthews_corrcoef(wanted, said),
                f1_score(wanted, said, average="binary" if classes == 2 else "macro", zero_division=0),
                f1_score(wanted, said, average="macro", zero_division=0),
            ]
        assert [each[number] for each in found] == pytest.approx(references, abs=1e-12)


@given(
    st.integers(1, 40), st.integers(0, 2**31), st.sampled_from([None, 0, 1]), st.sampled_from([1e-9, 1, 1e9])
)
def test_numbers_are_measured_as_by_scipy(rows: int, seed: int, digits: int | None, scale: float) -> None:
    generator = np.random.default_rng(seed)
    targets = generator.normal(size=rows)
    said = targets + generator.normal(size=rows)
    if digits is not None:  # ties
        targets, said = targets.round(digits), said.round(digits)
    targets, said = targets * scale, said * scale
    counts = draw_counts(rows, 5, seed).astype(float)
    found = [
        formulas.mean((said - targets) ** 2, counts),
        formulas.mean(np.abs(said - targets), counts),
        formulas.pearson(said, targets, counts),
        formulas.spearman(said, targets, counts),
    ]
    for number, drawn in enumerate(written_out(counts)):
        wanted, given_ = targets[drawn], said[drawn]
        references = [
            mean_squared_error(wanted, given_),
            mean_absolute_error(wanted, given_),
            by_scipy(pearsonr, given_, wanted),
            by_scipy(spearmanr, given_, wanted),
        ]
        assert [each[number] for each in found] == pytest.approx(references, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("constant", [0.1, 1e8, 1e-8, 0.0])
def test_a_constant_has_no_correlation_whatever_its_size(constant: float) -> None:
    generator = np.random.default_rng(0)
    counts = draw_counts(57, 50).astype(float)
    for values in (np.full(57, constant), np.full(57, constant, dtype=np.float32).astype(float)):
        assert (formulas.pearson(values, generator.normal(size=57), counts) == 0).all()
        assert (formulas.spearman(generator.normal(size=57), values, counts) == 0).all()


def test_what_varies_a_little_in_single_precision_has_a_correlation() -> None:
    targets = np.arange(5.0)
    said = np.float32(3) + np.array([0, 0, 0, 1, 1]) * np.spacing(np.float32(3))
    found = formulas.pearson(said.astype(float), targets, np.ones((1, 5)))
    assert found == pytest.approx(pearsonr([0, 0, 0, 1, 1], targets).statistic)


def test_correlations_never_leave_their_range() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        values = generator.normal(size=7)
        assert formulas.pearson(values, 3 * values, np.ones((1, 7)))[0] <= 1
        assert formulas.pearson(values, -3 * values, np.ones((1, 7)))[0] >= -1
