"""The tasks known by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from deepcuts.common.errors import InputError
from deepcuts.demo.minimal_pairs import BASIC, minimal_pairs
from deepcuts.tasks.glue import GLUE, load_glue
from deepcuts.tasks.task import Schedule, Split, Task, TaskData, check

MINIMAL_PAIRS = Task(
    name="minimal-pairs",
    kind="classification",
    text_columns=("sentence",),
    label_column="label",
    labels=("unacceptable", "acceptable"),
    primary="matthews",
    schedule=Schedule(finetune_epochs=3, retrain_epochs=2, learning_rate=1e-4),
)
# Few rows, and the part of the grammar that is learned quickly: this task is for trying things out.
TRAIN_ROWS = 2400
DEV_ROWS = 600
TASKS = {**GLUE, MINIMAL_PAIRS.name: MINIMAL_PAIRS}


def load_task(name: str, data: Path | None = None, seed: int = 0) -> TaskData:
    """Load a task by its name.

    Args:
        name: A key of `TASKS`.
        data: Folder of a GLUE task (see `load_glue`); None takes the Hugging Face Hub or its cache.
        seed: Seed of the task "minimal-pairs", which is generated; the others don't use it.

    Returns:
        The task with its data.

    Raises:
        InputError: There is no such task, or `data` is given for a task that is generated.
        DataError: The data is not there, can't be read, or holds what the task does not allow.
    """
    if name in GLUE:
        return load_glue(name, data)
    if name != MINIMAL_PAIRS.name:
        near = difflib.get_close_matches(name.lower(), TASKS, cutoff=0.5)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise InputError("task", name, f"the tasks are {', '.join(TASKS)}{hint}")
    if data is not None:
        raise InputError("data", str(data), f"the task {name} is generated and takes no folder")
    train, dev = (_split(rows) for rows in minimal_pairs(TRAIN_ROWS, DEV_ROWS, seed, BASIC))
    check(MINIMAL_PAIRS, train, dev)
    return TaskData(MINIMAL_PAIRS, train, dev, source="generated")


def _split(rows: list[tuple[str, int]]) -> Split:
    return Split(tuple((sentence,) for sentence, _ in rows), tuple(label for _, label in rows))
