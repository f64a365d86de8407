"""What a user's own module may hold: a criterion, and a task known by its name."""

from __future__ import annotations

from torch import Tensor

from deepcuts import ParamStats, ScoringOptions, criterion
from deepcuts.tasks import Schedule, Split, Task, TaskData, register_task


@criterion("LateRows", formula="row number", source="a test")
def late_rows(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """The later a weight's row, the higher."""
    rows = stats.value.new_tensor(range(len(stats.value)))
    return rows.view(-1, *[1] * (stats.value.dim() - 1)).expand_as(stats.value).contiguous()


NEGATED = Task(
    name="negated",
    kind="classification",
    text_columns=("text",),
    label_column="target",
    labels=("no", "yes"),
    primary="accuracy",
    schedule=Schedule(finetune_epochs=1, retrain_epochs=1, learning_rate=1e-2, batch_size=8),
)


def _split(count: int) -> Split:
    texts = tuple((f"the dog is {'not ' * (row % 2)}here",) for row in range(count))
    return Split(texts, tuple(row % 2 for row in range(count)))


register_task(NEGATED, lambda folder, seed: TaskData(NEGATED, _split(24), _split(8), source="generated"))
