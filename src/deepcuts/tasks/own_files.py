"""Tasks from the user's own files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deepcuts.common.errors import InputError
from deepcuts.tasks.columns import read_columns
from deepcuts.tasks.final_rows import split_of, with_test
from deepcuts.tasks.guesses import check_unambiguous, infer_kind
from deepcuts.tasks.kinds.kind import kind_named
from deepcuts.tasks.task import Schedule, Task, TaskData, check

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
        check_unambiguous(train_columns[label], str(train), label)
    asked = kind_named(kind or infer_kind(train_columns[label], train_columns[texts[0]]))
    labels = asked.labels_of(train_columns[label], str(train), label)
    task = Task(
        name=name or Path(train).stem,
        kind=asked.name,
        text_columns=texts,
        label_column=label,
        labels=labels,
        primary=asked.primary_of(labels),
        schedule=SCHEDULE,
    )
    train_split, dev_split = split_of(task, train_columns), split_of(task, dev_columns)
    check(task, train_split, dev_split, (train_origin, dev_origin))
    guessed = "" if kind else asked.why(train_columns[label])
    found = TaskData(task, train_split, dev_split, source=f"{train}, {dev}", guessed=guessed)
    return found if test is None else with_test(found, Path(test))
