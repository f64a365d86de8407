from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from dataclasses import replace

import pytest

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks import Schedule, Split, Task, TaskData, check
from deepcuts.tasks.task import Origin

SCHEDULE = Schedule(finetune_epochs=1, retrain_epochs=1, learning_rate=1e-3)
CLASSES = Task(
    name="mood",
    kind="classification",
    text_columns=("text",),
    label_column="mood",
    labels=("sad", "glad"),
    primary="accuracy",
    schedule=SCHEDULE,
)
NUMBERS = Task(
    name="alike",
    kind="regression",
    text_columns=("left", "right"),
    label_column="score",
    output_range=(0, 5),
    primary="pearson",
    schedule=SCHEDULE,
)
MOODS = Split((("rain",), ("sun",), ("fog",)), (0, 1, 0))
SCORES = Split((("a", "b"), ("c", "d")), (0.0, 5.0))


def test_importing_the_tasks_loads_no_heavy_library():
    heavy = ["pandas", "datasets", "pyarrow", "sklearn", "scipy", "torch", "transformers"]
    code = f"import sys, deepcuts.tasks; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "ranking"}, "kind: got 'ranking'"),
        ({"text_columns": ()}, "one or two text columns"),
        ({"text_columns": ("a", "b", "c")}, "one or two text columns"),
        ({"labels": ("only",)}, "at least two"),
        ({"labels": ("same", "same")}, "all different"),
        ({"kind": "regression"}, "a regression has no classes"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        replace(CLASSES, **changes)


def test_a_split_has_as_many_targets_as_texts():
    assert len(MOODS) == 3
    with pytest.raises(InputError, match="targets: got 1, but there are 2 rows"):
        Split((("a",), ("b",)), (0,))


def test_a_split_does_not_print_its_rows():
    assert "train=Split(3 rows), dev=Split(3 rows)" in repr(TaskData(CLASSES, MOODS, MOODS, "here"))


def test_good_data_passes():
    check(CLASSES, MOODS, MOODS)
    check(NUMBERS, SCORES, SCORES)
    check(replace(NUMBERS, output_range=None), SCORES, Split(SCORES.texts, (-7, 1e6)))


@pytest.mark.parametrize("bad", [2, -1, True, 1.0, "glad", math.nan])
def test_a_label_that_is_not_allowed_is_named_with_its_row_and_what_is_allowed(bad):
    dev = Split(MOODS.texts, (0, bad, 1))
    with pytest.raises(DataError) as caught:
        check(CLASSES, MOODS, dev)
    assert str(caught.value) == f"dev, row 2: mood is {bad!r}, but allowed are 'sad' (id 0), 'glad' (id 1)"


def test_only_the_first_of_many_allowed_labels_are_listed():
    task = replace(CLASSES, labels=tuple(f"class{i}" for i in range(150)))
    with pytest.raises(DataError, match=r"'class9' \(id 9\), … \(150 in all\)$"):
        check(task, Split((("a",),), (150,)), MOODS)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 5.1, "3", True])
def test_a_number_that_is_not_allowed_is_named_with_its_row_and_the_range(bad):
    train = Split(SCORES.texts, (1.0, bad))
    with pytest.raises(DataError) as caught:
        check(NUMBERS, train, SCORES, (Origin("data/train.tsv", "line", 2), Origin("dev")))
    assert str(caught.value) == (
        f"data/train.tsv, line 3: score is {bad!r}, but it must be a finite number from 0 to 5"
    )


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_a_missing_label_is_called_missing(missing):
    for task, split in ((CLASSES, MOODS), (NUMBERS, SCORES)):
        bad = Split(split.texts, (*split.targets[:-1], missing))
        with pytest.raises(DataError, match=rf"train, row {len(split)}: {task.label_column} is missing$"):
            check(task, bad, split)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ((None,), "text is missing"),
        ((3.5,), "text is 3.5, but it must be a string"),
        ((b"rain",), "text is b'rain', but it must be a string"),
        (("half \ud83d",), "text is .*, which is not valid Unicode"),
        (("a", "b"), "has 2 texts, but the task has 1"),
    ],
)
def test_a_text_that_is_not_allowed_is_named_with_its_row(texts, words):
    with pytest.raises(DataError, match=f"train, row 2: {words}"):
        check(CLASSES, Split((("fine",), texts), (0, 1)), MOODS)


def test_an_empty_text_is_a_text():
    check(CLASSES, Split((("",),), (0,)), MOODS)


def test_an_empty_split_is_refused():
    empty = Split((), ())
    with pytest.raises(DataError, match="train: holds no rows"):
        check(CLASSES, empty, MOODS)
    with pytest.raises(DataError, match="dev: holds no rows"):
        check(CLASSES, MOODS, empty)


def test_dev_rows_of_one_class_or_one_number_are_refused():
    with pytest.raises(DataError, match="dev: every row has the mood 'glad'"):
        check(CLASSES, MOODS, Split(MOODS.texts, (1, 1, 1)))
    with pytest.raises(DataError, match=r"dev: every row has the score 2\.5"):
        check(NUMBERS, SCORES, Split(SCORES.texts, (2.5, 2.5)))


def test_the_digest_is_the_same_in_every_session_and_place():
    data = TaskData(CLASSES, MOODS, MOODS, "here")
    # Spelled out: a change of the form would make every stored result another data set's.
    split = b"1:31:14:rain1:01:13:sun1:11:13:fog1:0"
    assert data.digest == hashlib.sha256(b"14:classification1:23:sad4:glad" + split + split).hexdigest()
    assert replace(data, source="there").digest == data.digest
    assert replace(data, task=replace(CLASSES, name="other")).digest == data.digest


def test_the_digest_tells_apart_what_differs():
    data = TaskData(CLASSES, MOODS, MOODS, "here")
    numbers = TaskData(NUMBERS, SCORES, SCORES, "here")
    others = [
        data,
        numbers,
        replace(data, train=Split((("Rain",), ("sun",), ("fog",)), (0, 1, 0))),
        replace(data, train=Split((("rain ",), ("sun",), ("fog",)), (0, 1, 0))),
        replace(data, train=Split((("sun",), ("rain",), ("fog",)), (1, 0, 0))),
        replace(data, train=Split(MOODS.texts, (0, 1, 1))),
        replace(data, dev=Split(MOODS.texts, (0, 1, 1))),
        replace(data, train=Split(MOODS.texts[:2], (0, 1))),
        replace(data, task=replace(CLASSES, labels=("glad", "sad"))),
        replace(numbers, train=Split((("ab", ""), ("c", "d")), (0.0, 5.0))),
        replace(numbers, train=Split((("", "ab"), ("c", "d")), (0.0, 5.0))),
        replace(numbers, train=Split(SCORES.texts, (0.0, 4.999999))),
    ]
    assert len({other.digest for other in others}) == len(others)


def test_a_whole_number_to_predict_has_the_digest_of_the_same_float():
    whole = Split(SCORES.texts, (0, 5))
    assert TaskData(NUMBERS, whole, whole, "").digest == TaskData(NUMBERS, SCORES, SCORES, "").digest
