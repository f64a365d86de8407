"""Fine-tuning and evaluation: Hugging Face's Trainer, with masks held by a callback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from deepcuts.common.errors import DivergedError
from deepcuts.common.progress import Reporter
from deepcuts.masks.holding import HeldMasks
from deepcuts.masks.masks import Masks
from deepcuts.tasks.constant import why_constant
from deepcuts.tasks.encoding import EncodedSplit, EncodedTask
from deepcuts.tasks.measures import baseline, measure
from deepcuts.training.plan import TrainingPlan


@dataclass(frozen=True)
class Training:
    """What a training did; the model holds its best epoch's weights.

    Attributes:
        epochs: An entry per finished epoch: ``epoch``, ``step``, ``loss`` (mean training loss since the
            last entry), the dev ``measures``, and whether the model was as good as ``constant`` there.
        best_epoch: The epoch whose weights the model has; None where there was no epoch.
        seconds: Wall time of this process's share of it: after an interruption, of the last try alone.
    """

    epochs: list[dict[str, Any]]
    best_epoch: int | None
    seconds: float


def train(
    model: nn.Module,
    task: EncodedTask,
    plan: TrainingPlan,
    folder: Path,
    *,
    masks: Masks | None = None,
    label: str = "training",
    reporter: Reporter | None = None,
    report_to: tuple[str, ...] = (),
    logs: Path | None = None,
) -> Training:
    """Train a model with a fresh optimizer, and leave it with the weights of its best epoch on dev.

    A checkpoint is written after every epoch; where `folder` holds one, the training goes on from it.

    Args:
        model: Trained in place.
        task: The tokenised task; its primary measure on dev decides which epoch is best.
        plan: How.
        folder: Where checkpoints go.
        masks: Held at exactly 0 from before the first step on.
        label: What this training is called in progress and logs.
        reporter: Where progress is shown.
        report_to: Experiment trackers that Transformers knows, such as ``"tensorboard"``.
        logs: Folder for the event files of TensorBoard; by default beside the checkpoints.

    Raises:
        DivergedError: The loss became NaN or infinite; the last checkpoint stays.
        MismatchError: The masks are for another model.
    """
    reporter = reporter or Reporter()
    started = time.monotonic()
    held = HeldMasks(model, masks) if masks is not None else None
    if held is not None:
        held.apply()
    if plan.epochs == 0:
        return Training([], None, 0.0)
    primary = task.data.task.primary
    steps = plan.steps(len(task.train), int(os.environ.get("WORLD_SIZE", "1")))
    checkpoint = last_complete_checkpoint(folder)
    if checkpoint is not None:
        reporter.line(f"{label}: going on from {checkpoint.name}")
    done = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    with _tensorboard_folder(logs), reporter.bar(label, steps, done) as advance:
        trainer = _Trainer(
            model=model,
            args=_arguments(plan, folder, f"eval_{primary}", report_to),
            train_dataset=task.train,
            eval_dataset=task.dev,
            data_collator=task.collate,
            compute_metrics=_metrics(task),
            callbacks=_callbacks(held, plan, label, primary, reporter, advance),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        with _own_forward(model):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if held is not None:
        held.verify()
    epochs = _epochs(trainer.state.log_history)
    # As the Trainer decides it: a later epoch must be better, not equal.
    best = max(epochs, key=lambda entry: entry["measures"][primary])["epoch"]
    model.zero_grad(set_to_none=True)
    return Training(epochs, int(best), time.monotonic() - started)


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
        Logits, or the regression's value, ``(rows, outputs)``, on the CPU.
    """
    device = next(model.parameters()).device
    was_training = model.training

    def logits(batch: dict[str, Tensor]) -> Tensor:
        found: Tensor = model(**{name: value.to(device) for name, value in batch.items()}).logits
        return found

    model.eval()
    try:
        return predict_by(logits, task, split)
    finally:
        model.train(was_training)


def predict_by(
    logits: Callable[[dict[str, Tensor]], Tensor], task: EncodedTask, split: EncodedSplit | None = None
) -> Tensor:
    """What anything that runs a model says of every row.

    Args:
        logits: From a batch without labels, tensors ``(rows, tokens)`` on the CPU, to ``(rows, outputs)``.
        task: The tokenised task.
        split: The rows; by default the dev split.

    Returns:
        Logits, or the regression's value, ``(rows, outputs)``, in float32 on the CPU.
    """
    rows = split if split is not None else task.dev
    # By length, so that batches hold little padding; each row's output is put back in its place.
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]["input_ids"]))
    found: list[Tensor] = []
    for start in range(0, len(order), _EVALUATION_ROWS):
        batch = task.collate([rows[index] for index in order[start : start + _EVALUATION_ROWS]])
        batch.pop("labels")
        found.append(logits(batch).float().cpu())
    return torch.cat(found)[torch.tensor(order).argsort()]


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


_EVALUATION_ROWS = 32
_CONSTANT = "constant"  # beside the measures in the Trainer's log, which outlives an interruption


@contextlib.contextmanager
def _own_forward(model: nn.Module) -> Iterator[None]:
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


class _Trainer(Trainer):
    """The Trainer, but a loss that is not finite ends the training where it happens."""

    def compute_loss(self, model: nn.Module, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        result = super().compute_loss(model, inputs, *args, **kwargs)
        loss: Tensor = result[0] if isinstance(result, tuple) else result
        if model.training and not torch.isfinite(loss):
            raise DivergedError(
                f"the training loss became {loss.item():g} at step {self.state.global_step + 1}; try a lower "
                f"learning rate (now {self.args.learning_rate:g}) or precision fp32; the last good "
                f"checkpoint, if any, is in {self.args.output_dir}"
            )
        return result


class _MaskCallback(TrainerCallback):
    """Keeps cut weights at exactly 0 after every step of whatever optimizer the Trainer runs."""

    def __init__(self, held: HeldMasks) -> None:
        self._held = held

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self._held.apply()

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._held.apply()


class _ProgressCallback(TrainerCallback):
    """Advances the bar, and says one line an epoch."""

    def __init__(
        self, label: str, primary: str, epochs: int, reporter: Reporter, advance: Callable[[], None]
    ):
        self._label = label
        self._primary = primary
        self._epochs = epochs
        self._reporter = reporter
        self._advance = advance
        self._loss = float("nan")
        self._since = time.monotonic()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self._advance()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
        self._loss = logs.get("loss", self._loss)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any
    ) -> None:
        seconds, self._since = time.monotonic() - self._since, time.monotonic()
        self._reporter.line(
            f"{self._label}: epoch {state.epoch:.0f}/{self._epochs}  loss {self._loss:.4f}  "
            f"dev {self._primary} {metrics[f'eval_{self._primary}']:.4f}  {seconds:.0f} s"
        )
        if metrics[f"eval_{_CONSTANT}"] and state.max_steps / 2 <= state.global_step < state.max_steps:
            self._reporter.line(
                f"{self._label}: after {state.global_step:,} of {state.max_steps:,} steps no better than a "
                "constant prediction; a training may leave such a plateau late, or never"
            )


def _callbacks(
    held: HeldMasks | None,
    plan: TrainingPlan,
    label: str,
    primary: str,
    reporter: Reporter,
    advance: Callable[[], None],
) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = [_ProgressCallback(label, primary, plan.epochs, reporter, advance)]
    if held is not None:
        callbacks.append(_MaskCallback(held))
    if plan.patience is not None:
        callbacks.append(EarlyStoppingCallback(plan.patience))
    return callbacks


def _arguments(
    plan: TrainingPlan, folder: Path, metric: str, report_to: tuple[str, ...]
) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        learning_rate=plan.learning_rate,
        per_device_train_batch_size=plan.batch_size,
        per_device_eval_batch_size=_EVALUATION_ROWS,
        gradient_accumulation_steps=plan.accumulation,
        lr_scheduler_type=plan.decay
        if plan.warmup == 0 or plan.decay == "linear"
        else "constant_with_warmup",
        warmup_steps=plan.warmup,
        weight_decay=plan.weight_decay,
        adam_beta1=plan.betas[0],
        adam_beta2=plan.betas[1],
        max_grad_norm=plan.clip,
        optim="adamw_torch_fused",
        bf16=plan.precision == "bf16",
        fp16=plan.precision == "fp16",
        seed=plan.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        greater_is_better=True,
        save_total_limit=2,
        report_to=list(report_to) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        train_sampling_strategy="group_by_length" if plan.group_by_length else "random",
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _metrics(task: EncodedTask) -> Callable[[Any], dict[str, float]]:
    """What the Trainer measures on dev: the task's measures, and whether the model is as good as constant."""
    asked = task.data.task
    constant = baseline(asked, task.data.train, task.data.dev)

    def metrics(found: Any) -> dict[str, float]:
        said, targets = _logits(found.predictions), found.label_ids
        measures = measure(asked, said, targets)
        why = why_constant(asked.kind, asked.primary, measures, constant, len(targets), said, targets)
        return {**measures, _CONSTANT: float(why is not None)}

    return metrics


def _logits(predictions: Any) -> np.ndarray:
    return np.asarray(predictions[0] if isinstance(predictions, tuple) else predictions)


def _epochs(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry an epoch from the Trainer's log, which holds losses and measures apart."""
    losses = {entry["step"]: entry["loss"] for entry in log if "loss" in entry}
    skipped = ("loss", "runtime", "samples_per_second", "steps_per_second")
    found = []
    for entry in (entry for entry in log if "eval_loss" in entry):
        measures = {
            name.removeprefix("eval_"): value
            for name, value in entry.items()
            if name.startswith("eval_") and name.removeprefix("eval_") not in skipped
        }
        found.append(
            {
                "epoch": round(entry["epoch"]),
                "step": entry["step"],
                "loss": losses.get(entry["step"]),
                # A checkpoint of an earlier version does not say it.
                "constant": bool(measures.pop(_CONSTANT, False)),
                "measures": measures,
            }
        )
    return found
