"""Tasks: what a model is trained for, the data, and the measures. Importing this is cheap."""

from __future__ import annotations

from deepcuts.tasks.constant import why_constant
from deepcuts.tasks.glue import load_glue
from deepcuts.tasks.measures import LOWER_IS_BETTER, baseline, describe, measure
from deepcuts.tasks.named import load_task, named_tasks, register_task
from deepcuts.tasks.own_files import load_files
from deepcuts.tasks.task import Schedule, Split, Task, TaskData, check

__all__ = [
    "LOWER_IS_BETTER",
    "Schedule",
    "Split",
    "Task",
    "TaskData",
    "baseline",
    "check",
    "describe",
    "load_files",
    "load_glue",
    "load_task",
    "measure",
    "named_tasks",
    "register_task",
    "why_constant",
]
