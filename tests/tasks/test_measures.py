from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcuts.common.errors import InputError
from deepcuts.tasks import Schedule, Split, Task, baseline, described, measure

SCHEDULE = Schedule(1, 1, 1e-3)
NUMBERS = Task(
    name="n",
    kind="regression",
    text_columns=("text",),
    label_column="y",
    primary="pearson",
    schedule=SCHEDULE,
)


def classes(count):
    return Task(
        name="c",
        kind="classification",
        text_columns=("text",),
        label_column="y",
        labels=tuple(f"class {i}" for i in range(count)),
        primary="accuracy",
        schedule=SCHEDULE,
    )


def split(targets):
    return Split(tuple(("text",) for _ in targets), tuple(targets))


def logits_of(predicted, count):
    return np.eye(count, dtype=np.float32)[list(predicted)] - 0.5


def loop_accuracy(predicted, targets):
    hits = 0
    for p, t in zip(predicted, targets, strict=True):
        hits += p == t
    return hits / len(targets)


def loop_matthews(predicted, targets, count):
    """Gorodkin's R_K from the confusion matrix, which for two classes is Matthews' phi."""
    table = np.zeros((count, count))
    for p, t in zip(predicted, targets, strict=True):
        table[t, p] += 1
    rows, right = table.sum(), np.trace(table)
    true, guessed = table.sum(axis=1), table.sum(axis=0)
    below = math.sqrt((rows**2 - (guessed**2).sum()) * (rows**2 - (true**2).sum()))
    return (right * rows - (true * guessed).sum()) / below if below else 0.0


def loop_f1(predicted, targets, count):
    return loop_macro_f1(predicted, targets, [1] if count == 2 else None)


def loop_macro_f1(predicted, targets, of=None):
    scores = []
    for c in of or sorted({*predicted, *targets}):
        hits = sum(p == t == c for p, t in zip(predicted, targets, strict=True))
        both = sum(p == c for p in predicted) + sum(t == c for t in targets)
        scores.append(2 * hits / both if both else 0.0)
    return sum(scores) / len(scores)


def loop_pearson(x, y):
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    xy = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    xx, yy = math.fsum((a - mean_x) ** 2 for a in x), math.fsum((b - mean_y) ** 2 for b in y)
    return xy / math.sqrt(xx * yy) if xx and yy else 0.0


def ranks(values):
    """Rank from 1; equal values share the mean of their ranks."""
    return [sum(v < u for v in values) + (sum(v == u for v in values) + 1) / 2 for u in values]


@st.composite
def class_rows(draw):
    count = draw(st.integers(2, 5))
    ids = st.integers(0, count - 1)
    rows = draw(st.lists(st.tuples(ids, ids), min_size=1, max_size=40))
    return count, [p for p, _ in rows], [t for _, t in rows]


@settings(max_examples=150, deadline=None)
@given(class_rows())
def test_classification_measures_equal_plain_loops(rows):
    count, predicted, targets = rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(classes(count), logits_of(predicted, count), targets)
    assert found == {
        "accuracy": pytest.approx(loop_accuracy(predicted, targets)),
        "matthews": pytest.approx(loop_matthews(predicted, targets, count), abs=1e-9),
        "f1": pytest.approx(loop_f1(predicted, targets, count)),
        "macro_f1": pytest.approx(loop_macro_f1(predicted, targets)),
    }
    assert all(type(value) is float for value in found.values())


HUNDREDTHS = st.integers(-500, 500).map(lambda number: number / 100)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(HUNDREDTHS, HUNDREDTHS), min_size=1, max_size=40), st.booleans())
def test_regression_measures_equal_plain_loops(rows, as_column):
    predicted, targets = [p for p, _ in rows], [t for _, t in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shape = (len(rows), 1) if as_column else (len(rows),)
        found = measure(NUMBERS, np.array(predicted).reshape(shape), targets)
    errors = [p - t for p, t in rows]
    assert found == {
        "mse": pytest.approx(sum(e * e for e in errors) / len(rows)),
        "mae": pytest.approx(sum(map(abs, errors)) / len(rows)),
        "pearson": pytest.approx(loop_pearson(predicted, targets), abs=1e-9),
        "spearman": pytest.approx(loop_pearson(ranks(predicted), ranks(targets)), abs=1e-9),
    }
    assert all(type(value) is float for value in found.values())
    json.dumps(found, allow_nan=False)


def test_perfect_and_opposite_predictions():
    targets = [0.0, 1.0, 2.5, 4.0]
    assert measure(NUMBERS, np.array(targets), targets) == pytest.approx(
        {"mse": 0, "mae": 0, "pearson": 1, "spearman": 1}
    )
    assert measure(NUMBERS, -np.array(targets), targets)["spearman"] == pytest.approx(-1)
    assert measure(classes(2), logits_of([0, 1], 2), [0, 1]) == {
        "accuracy": 1,
        "matthews": 1,
        "f1": 1,
        "macro_f1": 1,
    }
    assert measure(classes(2), logits_of([1, 0], 2), [0, 1])["matthews"] == -1


def test_a_constant_prediction_has_correlation_0_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collapsed = measure(classes(2), logits_of([1, 1, 1], 2), [0, 1, 1])
        constant = measure(NUMBERS, np.full(3, 2.7, dtype=np.float32), [0.0, 1.0, 5.0])
        nearly = measure(NUMBERS, np.array([5.0, 5.0, np.nextafter(5.0, 0)]), [0.0, 1.0, 5.0])
        alone = measure(classes(2), logits_of([0], 2), [0])
    assert collapsed["matthews"] == 0
    assert constant["pearson"] == constant["spearman"] == 0
    assert all(math.isfinite(value) for value in nearly.values())
    assert alone == {"accuracy": 1, "matthews": 0, "f1": 0, "macro_f1": 1}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_predictions_that_are_not_finite_are_refused_with_their_row(bad):
    logits = logits_of([0, 1, 0], 2)
    logits[1, 0] = bad
    with pytest.raises(InputError, match="every one must be finite; 1 of 3 rows are not, the first is row 2"):
        measure(classes(2), logits, [0, 1, 0])
    with pytest.raises(InputError, match="2 of 3 rows are not, the first is row 1"):
        measure(NUMBERS, np.array([bad, 1.0, bad]), [0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("task", "shape", "allowed"),
    [
        (classes(3), (4, 2), r"\(4, 3\)"),
        (classes(3), (3, 3), r"\(4, 3\)"),
        (classes(3), (4,), r"\(4, 3\)"),
        (NUMBERS, (4, 2), r"\(4,\) or \(4, 1\)"),
        (NUMBERS, (3,), r"\(4,\) or \(4, 1\)"),
    ],
)
def test_predictions_of_another_shape_are_refused(task, shape, allowed):
    with pytest.raises(InputError, match=f"their shape must be {allowed}"):
        measure(task, np.zeros(shape), [0, 1, 2, 0])


def test_nothing_can_not_be_measured():
    with pytest.raises(InputError, match="not empty"):
        measure(NUMBERS, np.zeros(0), [])


def test_the_baseline_of_a_classification_is_the_majority_class_of_train():
    found = baseline(classes(3), split([2, 2, 0]), split([2, 0, 1, 2]))
    f1 = pytest.approx(2 / 3 / 3)
    assert found == {"accuracy": 0.5, "matthews": 0, "f1": f1, "macro_f1": f1}
    tied = baseline(classes(2), split([1, 0, 1, 0]), split([0, 0, 1]))
    assert tied["accuracy"] == pytest.approx(2 / 3)


def test_the_baseline_of_a_regression_is_the_mean_of_train():
    found = baseline(NUMBERS, split([1.0, 2.0, 6.0]), split([3.0, 5.0]))
    assert found == {"mse": 2, "mae": 1, "pearson": 0, "spearman": 0}


def test_a_baseline_needs_rows():
    with pytest.raises(InputError, match="train"):
        baseline(classes(2), split([]), split([0, 1]))
    with pytest.raises(InputError, match="not empty"):
        baseline(classes(2), split([0, 1]), split([]))


def test_every_measure_has_a_description():
    names = {
        *measure(classes(2), logits_of([0, 1], 2), [0, 1]),
        *measure(NUMBERS, np.array([1.0]), [1.0]),
    }
    assert all(described(name).title for name in names)
    assert {name for name in names if described(name).lower_is_better} == {"mse", "mae"}
    with pytest.raises(InputError, match="measure: got 'bleu'"):
        described("bleu")
