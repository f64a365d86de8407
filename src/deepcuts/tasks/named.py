"""The tasks known by name: those that a module of this package or a plugin has registered."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.common.seeds import check_seed
from deepcuts.tasks.final_rows import TargetOf, with_test
from deepcuts.tasks.task import Task, TaskData, check

#: Reads a task's data: from a folder, or without one; the seed is for data that are drawn.
Loader = Callable[[Path | None, int], TaskData]

_REGISTRY: dict[str, tuple[Task, Loader, TargetOf | None]] = {}


def register_task(task: Task, load: Loader, target: TargetOf | None = None) -> None:
    """Make a task known by its name.

    Args:
        task: The task; its name must be new.
        load: ``(folder, seed) -> TaskData``. The folder is the user's, or None. It refuses what it can't
            use with an `InputError` for ``data``.
        target: What the labels in a file of test rows mean; by default what they do in the user's own files.

    Raises:
        ValueError: The name is taken.
    """
    if task.name in _REGISTRY:
        raise ValueError(f"a task named {task.name!r} is registered already")
    _REGISTRY[task.name] = (task, load, target)


def named_tasks() -> dict[str, Task]:
    """The tasks known by name, in the order in which they were registered."""
    plugins.load()
    return {name: task for name, (task, *_) in _REGISTRY.items()}


def load_task(name: str, data: Path | None = None, seed: int = 0, test: Path | None = None) -> TaskData:
    """Load a task by its name.

    Args:
        name: A key of `named_tasks`.
        data: Folder with the task's data; None takes what the task has without one: the GLUE tasks look
            on the Hugging Face Hub or in its cache.
        seed: Seed of a task whose data are generated; the others don't use it.
        test: File with test rows, of the columns that the task's dev rows have; None for no such rows.

    Returns:
        The task with its data, checked.

    Raises:
        InputError: There is no such task, or `data` is given for a task that is generated.
        DataError: The data is not there, can't be read, or holds what the task does not allow.
    """
    check_seed(seed)
    tasks = named_tasks()
    if name not in tasks:
        near = difflib.get_close_matches(name.lower(), tasks, cutoff=0.5)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise InputError("task", name, f"the tasks are {', '.join(tasks)}{hint}")
    _, load, target = _REGISTRY[name]
    found = load(data, seed)
    check(found.task, found.train, found.dev)
    return found if test is None else with_test(found, test, target)
