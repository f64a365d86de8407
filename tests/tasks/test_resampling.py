"""Measures of resamples are those that scikit-learn and scipy find on the rows written out."""

from __future__ import annotations

import numpy as np
import pytest

from deepcuts.common.errors import InputError
from deepcuts.tasks import Task, measure, resampling
from deepcuts.tasks.resampling import draw_counts, interval, measure_resamples
from deepcuts.tasks.task import Schedule

SCHEDULE = Schedule(finetune_epochs=1, retrain_epochs=1, learning_rate=1e-3)


def task(classes: int) -> Task:
    kind = "classification" if classes else "regression"
    labels = tuple(f"class {index}" for index in range(classes))
    primary = "matthews" if classes else "pearson"
    return Task(
        name="made-up",
        kind=kind,
        text_columns=("text",),
        label_column="label",
        labels=labels,
        primary=primary,
        schedule=SCHEDULE,
    )


def by_rows(of: Task, predictions: np.ndarray, targets: np.ndarray, counts: np.ndarray) -> list[dict]:
    """The reference: every resample written out, row by row, and measured alone."""
    drawn = [np.repeat(np.arange(len(targets)), row) for row in counts]
    return [measure(of, predictions[rows], targets[rows]) for rows in drawn]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("constant", [False, True])
def test_classification_as_on_rows_written_out(classes: int, constant: bool) -> None:
    generator = np.random.default_rng(classes)
    targets = generator.integers(0, classes, 31)
    predictions = generator.normal(size=(31, classes)) + np.eye(classes)[targets]
    if constant:
        predictions = np.tile(predictions[:1], (31, 1))
    counts = draw_counts(31, 20)
    names = ["accuracy", "matthews", "f1"]
    found = measure_resamples("classification", predictions, targets, counts, names)
    wanted = by_rows(task(classes), predictions, targets, counts)
    for name in names:
        assert found[name] == pytest.approx([one[name] for one in wanted], abs=1e-12), name


@pytest.mark.parametrize("shape", ["distinct", "tied", "constant"])
def test_regression_as_on_rows_written_out(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_CHUNK", 100)  # several chunks, the last one not full
    generator = np.random.default_rng(3)
    targets = generator.integers(0, 6, 37) / 2  # tied, as STS-B's are
    predictions = (targets + generator.normal(size=37)).astype(np.float32)[:, None]
    if shape == "tied":
        predictions = predictions.round()
    if shape == "constant":
        predictions = np.full_like(predictions, 0.1)
    counts = draw_counts(37, 20)
    names = ["mse", "mae", "pearson", "spearman"]
    found = measure_resamples("regression", predictions, targets, counts, names)
    wanted = by_rows(task(0), predictions, targets, counts)
    for name in names:
        assert found[name] == pytest.approx([one[name] for one in wanted], abs=1e-9), name


def test_counts_are_resamples_of_the_rows_after_the_rows_themselves() -> None:
    counts = draw_counts(50, 200, seed=1)
    assert (counts[0] == 1).all()
    assert (counts.sum(axis=1) == 50).all()
    assert counts[1:].mean() == 1
    assert counts[1:].var() == pytest.approx(1 - 1 / 50, rel=0.05)  # of a binomial of 50 rows
    assert (draw_counts(50, 200, seed=1) == counts).all()
    assert (draw_counts(50, 200, seed=2) != counts).any()


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    generator = np.random.default_rng(0)
    predictions, targets = generator.normal(size=400), np.zeros(400)
    errors = measure_resamples("regression", predictions, targets, draw_counts(400, 4000), ["mse"])["mse"]
    low, high = interval(errors[1:])
    squares = predictions**2
    half = 1.96 * squares.std() / 20
    assert (low, high) == pytest.approx((squares.mean() - half, squares.mean() + half), abs=0.2 * half)


def test_bad_input_is_refused() -> None:
    for rows, replicates in [(0, 5), (5, 0)]:
        with pytest.raises(InputError, match="1 or more"):
            draw_counts(rows, replicates)
    with pytest.raises(InputError, match="'bleu'"):
        measure_resamples("regression", np.zeros(3), np.zeros(3), draw_counts(3, 2), ["bleu"])
