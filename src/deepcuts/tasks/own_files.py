"""Tasks from the user's own files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks.columns import Columns, read_columns
from deepcuts.tasks.task import Kind, Schedule, Split, Task, TaskData, check

MOST_CLASSES = 20  # more distinct whole numbers than this are taken for quantities, not classes
SCHEDULE = Schedule(finetune_epochs=3, retrain_epochs=8, learning_rate=2e-5)


def load_files(
    train: Path,
    dev: Path,
    text: Sequence[str],
    label: str,
    kind: Kind | None = None,
    name: str | None = None,
) -> TaskData:
    """Make a task of two files, each CSV, TSV, JSON lines or Parquet (see `read_columns`).

    Classes are the distinct labels of `train`: numbers in numeric order, else names in alphabetical
    order. A class is called what the file says, without surrounding space ("01" and "1" differ); a whole
    number stored as a float is called as an integer, a bool "True" or "False". The texts "NA", "null"
    and "None" are texts and class names like any other.

    Args:
        train: File with the training rows.
        dev: File with the rows to measure on; it may have another format.
        text: Names of the one or two columns holding the text.
        label: Name of the column holding the class or number.
        kind: What is predicted. None infers it from `train`: regression if every label is a number
            and one is not whole or there are more than 20 different ones; else classification.
        name: The task's name; None takes the name of `train` without its suffix.

    Returns:
        The task, measured by accuracy (classification) or Pearson correlation (regression, with a
        linear head and no range), and its data.

    Raises:
        InputError: `text`, `label` or `kind` is not allowed.
        DataError: A file can't be read (see `read_columns`); `train` has fewer than two classes; or
            a row holds what is not allowed (see `check`), such as a class of `dev` missing in `train`.
    """
    texts = (text,) if isinstance(text, str) else tuple(text)
    if len(texts) not in (1, 2) or len(set(texts)) != len(texts):
        raise InputError("text", texts, "it must name one column, or two different ones")
    if label in texts:
        raise InputError("label", label, "it must be another column than the text")
    if kind not in ("classification", "regression", None):
        raise InputError("kind", kind, "it is 'classification', 'regression', or None to infer it")

    train_columns, train_origin = read_columns(Path(train), (*texts, label))
    dev_columns, dev_origin = read_columns(Path(dev), (*texts, label))
    kind = kind or infer_kind(train_columns[label])
    labels = class_names(train_columns[label]) if kind == "classification" else ()
    if kind == "classification" and len(labels) < 2:
        found = f"only {labels[0]!r}" if labels else "none"
        raise DataError(f"{train}: at least two classes are needed, but column {label!r} has {found}")
    task = Task(
        name=name or Path(train).stem,
        kind=kind,
        text_columns=texts,
        label_column=label,
        labels=labels,
        primary="accuracy" if kind == "classification" else "pearson",
        schedule=SCHEDULE,
    )
    train_split, dev_split = _split(task, train_columns), _split(task, dev_columns)
    check(task, train_split, dev_split, (train_origin, dev_origin))
    return TaskData(task, train_split, dev_split, source=f"{train}, {dev}")


def infer_kind(values: Sequence[Any]) -> Kind:
    """Tell from labels what is predicted, as `load_files` describes; missing labels don't count."""
    numbers = {_number(value) for value in values if _class_name(value) is not None}
    if None in numbers:
        return "classification"
    has_fraction = any(number is not None and not number.is_integer() for number in numbers)
    return "regression" if has_fraction or len(numbers) > MOST_CLASSES else "classification"


def class_names(values: Sequence[Any]) -> tuple[str, ...]:
    """Name the classes among labels, in the order of their ids; missing labels are left out."""
    names = {name for value in values if (name := _class_name(value)) is not None}
    numbers = {name: number for name in names if (number := _number(name)) is not None}
    if len(numbers) == len(names) and all(map(math.isfinite, numbers.values())):
        return tuple(sorted(names, key=lambda name: (numbers[name], name)))
    return tuple(sorted(names))


def _split(task: Task, columns: Columns) -> Split:
    ids = {name: i for i, name in enumerate(task.labels)}

    # What can't be converted stays as it is, for `check` to name it with its row.
    def target(value: Any) -> Any:
        if task.kind == "regression":
            number = _number(value)
            return value if number is None else number
        name = _class_name(value)
        return value if name is None else ids.get(name, name)

    texts = tuple(zip(*(columns[name] for name in task.text_columns), strict=True))
    return Split(texts, tuple(map(target, columns[task.label_column])))


def _class_name(value: Any) -> str | None:
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return (str(value).strip() or None) if isinstance(value, bool | int | str) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
