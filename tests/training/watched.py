"""A training whose steps are watched: the norm of each step's gradient, and where it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from runs import data_config, job, tiny_model_folder
from torch import Tensor
from transformers import TrainerCallback

from deepcuts.masks.rewinding import rewind
from deepcuts.runs.job import Job
from deepcuts.training import Training, TrainingPlan, train, trainer

PLAN = TrainingPlan(epochs=2, learning_rate=1e-2, batch_size=8, clip=0.0)
#: Not a multiple of 8, 4 or 2: the last step of an epoch has fewer rows, and batches of unequal sizes.
ROWS = 19


def undropped(folder: Path, rows: int = ROWS) -> Job:
    """A job whose model has no dropout, so that how batches are divided can't matter."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "model").is_dir():
        tiny_model_folder(folder / "model", dropout=0.0)
    return job(folder, data_config(folder, train=rows))


class Norms(TrainerCallback):
    """Keeps the norm of every step's gradient, as it reaches the optimizer."""

    def __init__(self) -> None:
        self.norms: list[float] = []

    def on_pre_optimizer_step(self, *args: Any, model: torch.nn.Module, **kwargs: Any) -> None:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        self.norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))


def watched(
    made: Job, plan: TrainingPlan, folder: Path, **rest: Any
) -> tuple[Training, list[float], dict[str, Tensor]]:
    """Train from θ0, and give what was found, the gradients' norms, and the weights at the end."""
    rewind(made.model, made.start)
    watching, original = Norms(), trainer.callbacks_for
    trainer.callbacks_for = lambda *args: [*original(*args), watching]
    try:
        found = train(made.model, made.task, plan, folder, **rest)
    finally:
        trainer.callbacks_for = original
    weights = {name: value.detach().clone() for name, value in made.model.named_parameters()}
    return found, watching.norms, weights
