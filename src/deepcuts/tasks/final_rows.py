"""Test rows: read from a file for whatever task there is, and checked as dev rows are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepcuts.tasks.columns import Columns, read_columns
from deepcuts.tasks.kinds.kind import kind_of
from deepcuts.tasks.task import Split, Task, TaskData, check_measurable

#: From a task and a value of its label column to a target; what stands for none is given back as it is.
TargetOf = Callable[[Task, Any], Any]


def split_of(task: Task, columns: Columns, target: TargetOf | None = None) -> Split:
    """A file's rows, unchecked: what stands for no target stays as it is, for `check` to name it.

    Args:
        task: What they are for.
        columns: Its text and label columns.
        target: What its labels mean; None for what the task's kind says.
    """
    kind = kind_of(task)
    texts = zip(*(columns[name] for name in task.text_columns), strict=True)
    rows = [
        kind.row_of(task, text, value) if target is None else (text, target(task, value))
        for text, value in zip(texts, columns[task.label_column], strict=True)
    ]
    return Split(tuple(text for text, _ in rows), tuple(found for _, found in rows))


def with_test(data: TaskData, path: Path, target: TargetOf | None = None) -> TaskData:
    """A task with rows to measure once, when all is done.

    Args:
        data: The task.
        path: A file with the task's columns, see `deepcuts.tasks.columns.read_columns`.
        target: What its labels mean; None for what the task's kind says.

    Raises:
        DataError: The file can't be read, or holds what dev rows may not.
    """
    task = data.task
    columns, origin = read_columns(path, (*task.text_columns, task.label_column))
    rows = split_of(task, columns, target)
    check_measurable(task, rows, origin)
    return replace(data, test=rows)
