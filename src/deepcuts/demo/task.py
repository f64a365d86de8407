"""The task ``minimal-pairs``: is a generated English sentence well formed? It needs no data from anywhere."""

from __future__ import annotations

from pathlib import Path

from deepcuts.common.errors import InputError
from deepcuts.tasks.named import register_task
from deepcuts.tasks.task import Schedule, Split, Task, TaskData

MINIMAL_PAIRS = Task(
    name="minimal-pairs",
    kind="classification",
    text_columns=("sentence",),
    label_column="label",
    labels=("unacceptable", "acceptable"),
    primary="matthews",
    schedule=Schedule(finetune_epochs=2, retrain_epochs=2, learning_rate=1e-4),
)
# Few rows, and the part of the grammar that is learned quickly: this task is for trying things out.
TRAIN_ROWS = 2400
DEV_ROWS = 600


def load_minimal_pairs(folder: Path | None = None, seed: int = 0) -> TaskData:
    """Generate the task's data.

    Args:
        folder: Must be None: nothing is read.
        seed: Seed of the sentences.

    Raises:
        InputError: A folder is given.
    """
    from deepcuts.demo.minimal_pairs import BASIC, minimal_pairs

    if folder is not None:
        raise InputError(
            "data", str(folder), f"the task {MINIMAL_PAIRS.name} is generated and takes no folder"
        )
    train, dev = (_split(rows) for rows in minimal_pairs(TRAIN_ROWS, DEV_ROWS, seed, BASIC))
    return TaskData(MINIMAL_PAIRS, train, dev, source="generated")


def _split(rows: list[tuple[str, int]]) -> Split:
    return Split(tuple((sentence,) for sentence, _ in rows), tuple(label for _, label in rows))


register_task(MINIMAL_PAIRS, load_minimal_pairs)
