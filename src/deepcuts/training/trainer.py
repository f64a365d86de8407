"""A training from its plan to the weights of its best epoch, by Hugging Face's Trainer."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model
from torch import Tensor, nn
from transformers import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import SAFE_WEIGHTS_NAME

from deepcuts.common.errors import InputError
from deepcuts.common.files import storing
from deepcuts.common.progress import Reporter
from deepcuts.masks.holding import HeldMasks
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import rewind, snapshot
from deepcuts.tasks.encoding import EncodedTask
from deepcuts.training.arguments import training_arguments
from deepcuts.training.callbacks import callbacks_for
from deepcuts.training.epochs import epochs_of, measured_by
from deepcuts.training.evaluation import predict
from deepcuts.training.loop import Loop, teaching
from deepcuts.training.objectives import DEFAULT_OBJECTIVE, Objective, find_objective
from deepcuts.training.plan import TrainingPlan


@dataclass(frozen=True)
class Training:
    """What a training did; the model holds its best epoch's weights.

    Attributes:
        epochs: An entry per finished epoch: ``epoch``, ``step``, ``loss`` (mean training loss since the
            last entry), the dev ``measures``, and whether the model was as good as ``constant`` there.
        best_epoch: The epoch whose weights the model has; None where there was no epoch.
        seconds: Wall time of this process's share of it: after an interruption, of the last try alone.
        last: What the model of the last epoch says of the dev rows; None where that is the best one.
    """

    epochs: list[dict[str, Any]]
    best_epoch: int | None
    seconds: float
    last: Tensor | None = None


def train(
    model: nn.Module,
    task: EncodedTask,
    plan: TrainingPlan,
    folder: Path,
    *,
    masks: Masks | None = None,
    objective: str = DEFAULT_OBJECTIVE,
    objective_options: Mapping[str, Any] | None = None,
    teacher: nn.Module | None = None,
    label: str = "training",
    reporter: Reporter | None = None,
    report_to: tuple[str, ...] = (),
    logs: Path | None = None,
) -> Training:
    """Train a model with a fresh optimizer, and leave it with the weights of its best epoch.

    A checkpoint is written after every epoch; where `folder` holds one, the training goes on from it.

    Args:
        model: Trained in place.
        task: The tokenised task; which epoch is best is decided on its rows to choose on, by its primary
            measure or the plan's.
        plan: How.
        folder: Where checkpoints go.
        masks: Held at exactly 0 from before the first step on.
        objective: Name of what is minimised, see `deepcuts.training.objectives`.
        objective_options: Values of its options; those left out have their default.
        teacher: The model that the objective reads, if it reads one; it is left as it was.
        label: What this training is called in progress and logs.
        reporter: Where progress is shown.
        report_to: Experiment trackers that Transformers knows, such as ``"tensorboard"``.
        logs: Folder for the event files of TensorBoard; by default beside the checkpoints.

    Raises:
        DivergedError: The loss became NaN or infinite; the last checkpoint stays.
        InputError: There is no such objective or option, or the objective lacks its teacher.
        MismatchError: The masks are for another model.
        StorageError: A checkpoint could not be written; the last complete one stays.
    """
    aim = find_objective(objective)
    values = aim.values(objective_options)
    _check_teacher(aim, teacher, model)
    reporter = reporter or Reporter()
    started = time.monotonic()
    held = HeldMasks(model, masks) if masks is not None else None
    if held is not None:
        held.apply()
    if plan.epochs == 0:
        return Training([], None, 0.0)
    plan.check_for(task.data.task)
    primary = plan.select_by or task.data.task.primary
    lower_is_better = task.kind.measures[primary].lower_is_better
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    steps = plan.steps(len(task.train), processes)
    if processes == 1 and (visible := torch.cuda.device_count()) > 1:
        reporter.line(
            f"{label}: one process uses one of the {visible} GPUs; to use all of them, start it by "
            f"torchrun --nproc-per-node {visible} -m deepcuts"
        )
    checkpoint = last_complete_checkpoint(folder)
    if checkpoint is not None:
        reporter.line(f"{label}: going on from {checkpoint.name}")
    done = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    with _tensorboard_folder(logs), own_config(model), reporter.bar(label, steps, done) as advance:
        trainer = Loop(
            objective=aim,
            options=values,
            teacher=teacher,
            kind=task.kind,
            model=model,
            args=training_arguments(
                plan, folder, f"eval_{primary}", report_to, lower_is_better=lower_is_better
            ),
            weights=_class_weights(task, plan),
            train_dataset=task.train,
            eval_dataset=task.chosen_on.encoded,
            data_collator=task.collate,
            compute_metrics=measured_by(task),
            callbacks=callbacks_for(
                held, plan, label, primary, reporter, advance, "held-out" if task.held_out else "dev"
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        with storing(folder), own_forward(model), teaching(teacher, model), frozen(model, plan.part):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if held is not None:
        held.verify()
    epochs = epochs_of(trainer.state.log_history)
    # As the Trainer decides it: a later epoch must be better, not equal.
    best = (min if lower_is_better else max)(epochs, key=lambda entry: entry["measures"][primary])["epoch"]
    model.zero_grad(set_to_none=True)
    last = _last(model, task, folder, epochs[-1]["step"]) if best != epochs[-1]["epoch"] else None
    return Training(epochs, int(best), time.monotonic() - started, last)


def _last(model: nn.Module, task: EncodedTask, folder: Path, step: int) -> Tensor | None:
    """What the model of the last epoch says of the dev rows; None where its checkpoint is gone."""
    path = folder / f"{PREFIX_CHECKPOINT_DIR}-{step}" / SAFE_WEIGHTS_NAME
    if not path.is_file():
        return None
    best = snapshot(model)
    try:
        load_model(model, path, strict=False)  # a tied parameter is stored once
        return predict(model, task)
    finally:
        rewind(model, best)


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; half-written ones are removed."""
    complete = []
    for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        try:  # the Trainer writes this file last
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            complete.append(path)
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _class_weights(task: EncodedTask, plan: TrainingPlan) -> list[float] | None:
    if plan.class_weights == "none":
        return None
    return task.kind.class_weights(task.data.task, task.train.targets)


def _check_teacher(objective: Objective, teacher: nn.Module | None, model: nn.Module) -> None:
    if objective.reads_teacher and teacher is None:
        raise InputError("teacher", None, f"the objective {objective.name!r} reads one")
    if teacher is not None and not objective.reads_teacher:
        raise InputError("teacher", type(teacher).__name__, f"the objective {objective.name!r} reads none")
    if teacher is model:
        raise InputError("teacher", "the model itself", "it is another model, such as a copy made before")


@contextlib.contextmanager
def frozen(model: nn.Module, part: str) -> Iterator[None]:
    """All but the part of a model that is trained keeps its values; afterwards all can be trained again."""
    still = [
        parameter
        for parameter in model.parameters()
        if part == "small" and parameter.dim() > 1 and parameter.requires_grad
    ]
    for parameter in still:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in still:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def own_forward(model: nn.Module) -> Iterator[None]:
    """Take away what Accelerate puts over a model's ``forward``.

    With it the model would go on computing in the training's precision, in scores and measures too, but
    not after a resume. Accelerate's own ``unwrap_model`` takes away the model's decorators as well.
    """
    names = ("forward", "_original_forward")
    before = {name: vars(model)[name] for name in names if name in vars(model)}
    try:
        yield
    finally:
        for name in names:
            vars(model).pop(name, None)
        vars(model).update(before)


@contextlib.contextmanager
def own_config(model: nn.Module) -> Iterator[None]:
    """Give back what the Trainer changes in a model's configuration, which is saved with the model.

    A run that goes on after its trainings would otherwise save another one than a run from start to end.
    """
    config: Any = getattr(model, "config", None)
    name = "use_cache"
    before = {name: getattr(config, name)} if hasattr(config, name) else {}
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


@contextlib.contextmanager
def _tensorboard_folder(folder: Path | None) -> Iterator[None]:
    """Say where TensorBoard's files go by the environment: Transformers takes it from nowhere else."""
    name = "TENSORBOARD_LOGGING_DIR"
    if folder is None or name in os.environ:
        yield
        return
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        del os.environ[name]
