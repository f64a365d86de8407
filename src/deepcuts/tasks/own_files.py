"""Tasks from the user's own files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks.columns import Columns, read_columns
from deepcuts.tasks.final_rows import with_test
from deepcuts.tasks.kinds.kind import all_kinds, kind_named, kind_of
from deepcuts.tasks.task import Schedule, Split, Task, TaskData, check
from deepcuts.tasks.values import class_names, number_of

_COMMA = re.compile(r"[+-]?\d+,\d+")
SCHEDULE = Schedule(finetune_epochs=3, retrain_epochs=8, learning_rate=2e-5)


def load_files(
    train: Path,
    dev: Path,
    text: Sequence[str],
    label: str,
    kind: str | None = None,
    name: str | None = None,
    test: Path | None = None,
) -> TaskData:
    """Make a task of two or three files, each CSV, TSV, JSON lines or Parquet (see `read_columns`).

    Classes are the distinct labels of `train`: numbers in numeric order, else names in alphabetical
    order. A class is called what the file says, without surrounding space ("01" and "1" differ); a whole
    number stored as a float is called as an integer, a bool "True" or "False". The texts "NA", "null"
    and "None" are texts and class names like any other.

    Args:
        train: File with the training rows.
        dev: File with the rows to measure on; it may have another format.
        text: Names of the one or two columns holding the text.
        label: Name of the column holding the class, number or labels; or names of several with commas between
            them, a column a label.
        kind: Name of the kind of task. None infers it from `train`: labels if they are lists or a column
            each; regression if every label is a number and one is not whole or there are more than 20
            different ones; else classification.
        name: The task's name; None takes the name of `train` without its suffix.
        test: File with rows to measure once, when all is done; None for no such rows.

    Returns:
        The task, measured by the primary measure of its kind (accuracy for classes, Pearson correlation for
        numbers, with a linear head and no range, and so on), and its data.

    Raises:
        InputError: `text`, `label` or `kind` is not allowed.
        DataError: A file can't be read (see `read_columns`); `train` has fewer than two classes; or a row
            holds what is not allowed (see `check`), such as a class of `dev` or `test` missing in `train`.
    """
    texts = (text,) if isinstance(text, str) else tuple(text)
    if len(texts) not in (1, 2) or len(set(texts)) != len(texts):
        raise InputError("text", texts, "it must name one column, or two different ones")
    if {label, *label.split(",")} & set(texts):
        raise InputError("label", label, "it must be another column than the text")
    if kind is not None:
        kind_named(kind)

    train_columns, train_origin = read_columns(Path(train), (*texts, label))
    dev_columns, dev_origin = read_columns(Path(dev), (*texts, label))
    if kind is None:
        _check_unambiguous(train_columns[label], str(train), label)
    asked = kind_named(kind or infer_kind(train_columns[label]))
    task = Task(
        name=name or Path(train).stem,
        kind=asked.name,
        text_columns=texts,
        label_column=label,
        labels=asked.labels_of(train_columns[label], str(train), label),
        primary=asked.primary,
        schedule=SCHEDULE,
    )
    train_split, dev_split = _split(task, train_columns), _split(task, dev_columns)
    check(task, train_split, dev_split, (train_origin, dev_origin))
    guessed = "" if kind else asked.why(train_columns[label])
    found = TaskData(task, train_split, dev_split, source=f"{train}, {dev}", guessed=guessed)
    return found if test is None else with_test(found, Path(test))


def infer_kind(values: Sequence[Any]) -> str:
    """Tell from labels what is predicted, as `load_files` describes; missing labels don't count."""
    return max(all_kinds(), key=lambda kind: kind.likeness(values)).name


def _check_unambiguous(values: Sequence[Any], where: str, column: str) -> None:
    """Refuse labels of which a guess would probably be wrong.

    Raises:
        DataError: They are numbers with a decimal comma, or one number stands there in two ways.
    """
    names = class_names(values)
    numbers = [number_of(name) for name in names]
    if any(_COMMA.fullmatch(name) for name in names) and all(
        number is not None or _COMMA.fullmatch(name) for name, number in zip(names, numbers, strict=True)
    ):
        comma = next(name for name in names if _COMMA.fullmatch(name))
        raise DataError(
            f"{where}: column {column!r} holds {comma!r}; write numbers with a decimal point, or say that "
            "these are names by --kind classification"
        )
    if None in numbers or not any(number is not None and number.is_integer() for number in numbers):
        return
    same: dict[float | None, list[str]] = {}
    for name, number in zip(names, numbers, strict=True):
        same.setdefault(number, []).append(name)
    twice = next((spelled for spelled in same.values() if len(spelled) > 1), None)
    if twice is not None and not kind_named(infer_kind(values)).reads_numbers:
        raise DataError(
            f"{where}: column {column!r} holds {' and '.join(map(repr, twice))}, one number; as classes they "
            "would be two. Write them alike, or say --kind classification or --kind regression"
        )


def _split(task: Task, columns: Columns) -> Split:
    kind = kind_of(task)
    texts = tuple(zip(*(columns[name] for name in task.text_columns), strict=True))
    # What can't be converted stays as it is, for `check` to name it with its row.
    return Split(texts, tuple(kind.target_of(task, value) for value in columns[task.label_column]))
