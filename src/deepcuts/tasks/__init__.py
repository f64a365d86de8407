"""What a model is trained and measured for: kinds of task, tasks known by name, own files, and measures.

A `Task` says what is asked and by which measure it is judged; `TaskData` adds the rows, checked. What differs
from one kind of task to another stands in `kinds`, and whoever needs to know asks the kind. Tokens and
batches are in `deepcuts.tasks.encoding`, resamples for intervals in `deepcuts.tasks.resampling`. Importing
this is cheap.
"""

from __future__ import annotations

from deepcuts.tasks.constant import why_constant
from deepcuts.tasks.glue import load_glue
from deepcuts.tasks.kinds.kind import TaskKind, all_kinds, kind_named, kind_of
from deepcuts.tasks.kinds.measure import Measure
from deepcuts.tasks.kinds.registry import register_kind
from deepcuts.tasks.measures import baseline, described, measure
from deepcuts.tasks.named import load_task, named_tasks, register_task
from deepcuts.tasks.own_files import load_files
from deepcuts.tasks.task import Schedule, Split, Task, TaskData, check

__all__ = [
    "Measure",
    "Schedule",
    "Split",
    "Task",
    "TaskData",
    "TaskKind",
    "all_kinds",
    "baseline",
    "check",
    "described",
    "kind_named",
    "kind_of",
    "load_files",
    "load_glue",
    "load_task",
    "measure",
    "named_tasks",
    "register_kind",
    "register_task",
    "why_constant",
]
