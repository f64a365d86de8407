"""Test rows: read from a file for whatever task there is, and checked as dev rows are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepcuts.tasks.columns import read_columns
from deepcuts.tasks.kinds.kind import kind_of
from deepcuts.tasks.task import Split, Task, TaskData, check_measurable

#: From a task and a value of its label column to a target; what stands for none is given back as it is.
TargetOf = Callable[[Task, Any], Any]


def target_of(task: Task, value: Any) -> Any:
    """The target that a file's value stands for, as the task's kind says."""
    return kind_of(task).target_of(task, value)


def with_test(data: TaskData, path: Path, target: TargetOf = target_of) -> TaskData:
    """A task with rows to measure once, when all is done.

    Args:
        data: The task.
        path: A file with the task's columns, see `deepcuts.tasks.columns.read_columns`.
        target: What its labels mean.

    Raises:
        DataError: The file can't be read, or holds what dev rows may not.
    """
    task = data.task
    columns, origin = read_columns(path, (*task.text_columns, task.label_column))
    texts = tuple(zip(*(columns[name] for name in task.text_columns), strict=True))
    rows = Split(texts, tuple(target(task, value) for value in columns[task.label_column]))
    check_measurable(task, rows, origin)
    return replace(data, test=rows)
