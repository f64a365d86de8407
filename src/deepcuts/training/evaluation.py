"""What a model says of a task's rows, and how good that is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepcuts.tasks.encoding import EncodedSplit, EncodedTask
from deepcuts.tasks.measures import measure

#: Rows a batch, here and where a training measures its epochs.
EVALUATION_ROWS = 32


def evaluate(model: nn.Module, task: EncodedTask, split: EncodedSplit | None = None) -> dict[str, float]:
    """Measure a model, in float32 and without dropout.

    Args:
        model: On whatever device it is.
        task: The tokenised task.
        split: The rows; by default the dev split.

    Returns:
        The task's measures, see `deepcuts.tasks.measure`.
    """
    rows = split if split is not None else task.dev
    return measure(task.data.task, predict(model, task, rows).numpy(), rows.targets)


@torch.no_grad()
def predict(model: nn.Module, task: EncodedTask, split: EncodedSplit | None = None) -> Tensor:
    """What a model says of every row, in float32 and without dropout.

    Args:
        model: On whatever device it is.
        task: The tokenised task.
        split: The rows; by default the dev split.

    Returns:
        Its predictions, ``(rows, …)``, such as logits or a regression's value, on the CPU.
    """
    device = next(model.parameters()).device
    was_training = model.training

    def say(batch: dict[str, Tensor]) -> Tensor:
        found: Tensor = task.kind.predictions(
            model(**{name: value.to(device) for name, value in batch.items()})
        )
        return found

    model.eval()
    try:
        return predict_by(say, task, split)
    finally:
        model.train(was_training)


def predict_by(
    say: Callable[[dict[str, Tensor]], Tensor], task: EncodedTask, split: EncodedSplit | None = None
) -> Tensor:
    """What anything that runs a model says of every row.

    Args:
        say: From a batch without labels, tensors ``(rows, tokens)`` on the CPU, to predictions ``(rows, …)``.
        task: The tokenised task.
        split: The rows; by default the dev split.

    Returns:
        The predictions of all rows, ``(rows, …)``, in float32 on the CPU; classes in the task's order.
    """
    rows = split if split is not None else task.dev
    # By length, so that batches hold little padding; each row's output is put back in its place.
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]["input_ids"]))
    found: list[Tensor] = []
    for start in range(0, len(order), EVALUATION_ROWS):
        batch = task.collate([rows[index] for index in order[start : start + EVALUATION_ROWS]])
        batch.pop("labels")
        found.append(say(batch).float().cpu())
    joined: Tensor = task.kind.join(found)
    if task.order is not None:
        joined = joined[..., list(task.order)]
    return joined[torch.tensor(order).argsort()]
