"""Plateaus are told from results by what a constant prediction, and chance, would reach."""

from __future__ import annotations

import numpy as np
import pytest

from deepcuts.tasks import Schedule, Split, Task, baseline, described, measure, why_constant

SCHEDULE = Schedule(1, 1, 1e-3)
CLASSES = Task(
    name="c", kind="classification", text_columns=("t",), label_column="l", labels=("n", "y"),
    primary="matthews", schedule=SCHEDULE,
)  # fmt: skip
NUMBERS = Task(
    name="r", kind="regression", text_columns=("t",), label_column="l", primary="pearson", schedule=SCHEDULE
)


def why(task: Task, said: np.ndarray, targets: np.ndarray, *, with_predictions: bool = True) -> str | None:
    split = Split((("text",),) * len(targets), tuple(targets.tolist()))
    return why_constant(
        task.kind,
        task.primary,
        measure(task, said, targets),
        baseline(task, split, split),
        len(targets),
        said if with_predictions else None,
        targets if with_predictions else None,
    )


def logits(classes: np.ndarray) -> np.ndarray:
    return np.eye(2)[classes]


def test_the_demo_of_another_machine_is_on_a_plateau() -> None:
    """A Matthews correlation of 0.041 on 600 rows is what chance brings; 0.36 is not."""
    targets = np.arange(600) % 2
    nearly = targets.copy()
    nearly[:288] = 1 - nearly[:288]  # 312 of 600 right: Matthews 0.04
    assert measure(CLASSES, logits(nearly), targets)["matthews"] == pytest.approx(0.04, abs=1e-3)
    assert "within chance" in str(why(CLASSES, logits(nearly), targets))
    better = targets.copy()
    better[:192] = 1 - better[:192]
    assert measure(CLASSES, logits(better), targets)["matthews"] == pytest.approx(0.36, abs=1e-3)
    assert why(CLASSES, logits(better), targets) is None


def test_one_class_for_every_row_is_constant_whatever_the_measure() -> None:
    targets = np.array([0] * 5 + [1] * 95)
    assert "one class" in str(why(CLASSES, logits(np.ones(100, dtype=int)), targets))
    assert why(CLASSES, logits(targets), targets) is None


def test_numbers_that_hardly_vary_are_constant_however_well_they_correlate() -> None:
    """A correlation of -0.74 or 0.99 of outputs that differ by a thousandth is a constant in disguise."""
    targets = np.linspace(0, 5, 200)
    for sign in (1, -1):
        said = 2.5 + sign * 1e-4 * targets
        assert abs(measure(NUMBERS, said, targets)["pearson"]) > 0.99
        assert "vary" in str(why(NUMBERS, said, targets))
    assert why(NUMBERS, 0.9 * targets + 0.2, targets) is None


def test_a_squared_error_above_a_constants_is_a_plateau() -> None:
    generator = np.random.default_rng(0)
    targets = generator.uniform(0, 5, 1500)
    said = 0.2 * targets + generator.normal(0, 1.5, 1500) + 2
    found = measure(NUMBERS, said, targets)
    assert found["pearson"] > 0.1
    assert found["mse"] > np.var(targets)
    assert "squared error" in str(why(NUMBERS, said, targets))
    # Without the predictions the measures alone say the same.
    assert why(NUMBERS, said, targets, with_predictions=False) == why(NUMBERS, said, targets)


@pytest.mark.parametrize(("rows", "trials"), [(100, 400), (600, 400)])
def test_guesses_are_within_chance_and_no_more_than_chance_allows(rows: int, trials: int) -> None:
    """Simulated: of predictions that know nothing, about one in forty lies above two standard errors."""
    generator = np.random.default_rng(3)
    targets = generator.integers(0, 2, rows)
    above = 0
    for _ in range(trials):
        said = logits(generator.integers(0, 2, rows))
        above += measure(CLASSES, said, targets)["matthews"] > described("matthews").chance(0.0, rows)
    assert 0.005 * trials < above < 0.05 * trials


def test_the_chance_of_a_share_and_its_least_width() -> None:
    assert described("accuracy").chance(0.5, 872) == pytest.approx(2 * (0.25 / 872) ** 0.5)
    assert described("accuracy").chance(1.0, 872) == 0.01
    assert described("pearson").chance(0.0, 10**9) == 0.01
