"""What a user should know of a run before it begins."""

from __future__ import annotations

from typing import Any

from deepcuts.runs.held import zeros_of


def notes_of(job: Any) -> list[str]:
    """Zeros that are there already, weights of classes, the choice of the best epoch: a sentence each."""
    found = []
    if zeros := zeros_of(job.start, job.parameters):
        what = "stay so" if job.config.keep_zeros else "may come back in training, --keep-zeros holds them"
        found.append(f"{zeros:,} of the prunable weights are 0 already; they {what}")
    if job.config.class_weights != "none":
        task = job.task.data.task
        weights = job.task.kind.class_weights(task, job.task.train.targets) or []
        named = ", ".join(f"{name!r} {weight:.3g}" for name, weight in zip(task.labels, weights, strict=True))
        found.append(f"rows count in the loss of training by their class: {named}")
    if job.config.select_by is not None:
        found.append(f"the best epoch is chosen by {job.config.select_by}")
    return found
