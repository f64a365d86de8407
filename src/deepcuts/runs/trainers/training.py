"""One training by a user's Trainer: fresh optimizer and schedule, masks held, gone on from a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback, set_seed
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from deepcuts.common.errors import DivergedError
from deepcuts.common.files import storing
from deepcuts.common.progress import Advance, Reporter
from deepcuts.masks.holding import HeldMasks
from deepcuts.masks.masks import Masks
from deepcuts.runs.steps.workpiece import Training
from deepcuts.runs.trainers.arguments import arguments_for
from deepcuts.training.callbacks import MaskCallback
from deepcuts.training.plan import TrainingPlan
from deepcuts.training.trainer import frozen, last_complete_checkpoint, own_config, own_forward

#: What a Trainer reports beside what it measures.
_NO_MEASURES = ("runtime", "per_second", "preparation_time", "epoch", "jit_compilation")


def train_by(
    trainer: Any,
    model: nn.Module,
    own: TrainingPlan,
    plan: TrainingPlan,
    folder: Path,
    *,
    masks: Masks | None,
    label: str,
    reporter: Reporter,
) -> Training:
    """Train a Trainer's model by the Trainer itself.

    Which epoch's weights the model ends with is the Trainer's to say (``load_best_model_at_end``).

    Args:
        trainer: The Trainer; its arguments, optimizer and callbacks are afterwards as they were.
        model: Its model, without wrappers.
        own: What its arguments say.
        plan: What is asked for.
        folder: Where checkpoints go.
        masks: Held at exactly 0 from before the first step on.
        label: What this training is called.
        reporter: Where progress is shown.

    Raises:
        DivergedError: The loss became NaN or infinite.
        InvariantError: A cut weight is not 0 at the end.
        StorageError: A checkpoint could not be written.
    """
    started = time.monotonic()
    held = HeldMasks(model, masks) if masks is not None else None
    if held is not None:
        held.apply()
    if plan.epochs == 0:
        return Training([], None, 0.0)
    checkpoint = last_complete_checkpoint(folder)
    if checkpoint is not None:
        reporter.line(f"{label}: going on from {checkpoint.name}")
    watch = _Watch(label, reporter)
    with _borrowed(trainer, arguments_for(trainer.args, own, plan, folder)), own_config(model):
        trainer.add_callback(watch)
        if held is not None:
            # Last of all, so that nothing that another callback does to a weight stays.
            trainer.add_callback(MaskCallback(held))
        set_seed(plan.seed)
        with storing(folder), own_forward(model), frozen(model, plan.part):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        history, best = trainer.state.log_history, trainer.state.best_model_checkpoint
    if held is not None:
        held.verify()
    model.zero_grad(set_to_none=True)
    epochs = epochs_of(history)
    at = (
        int(best.rpartition(f"{PREFIX_CHECKPOINT_DIR}-")[2])
        if best and trainer.args.load_best_model_at_end
        else None
    )
    chosen = next((entry["epoch"] for entry in epochs if entry["step"] == at), None)
    return Training(epochs, chosen, time.monotonic() - started)


def measures_of(metrics: Mapping[str, Any], prefix: str = "eval_") -> dict[str, float]:
    """What of a Trainer's metrics says how good a model is: finite numbers, without the prefix."""
    found = {}
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            continue
        if not any(name.endswith(end) for end in _NO_MEASURES):
            found[name.removeprefix(prefix)] = float(value)
    return found


def epochs_of(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An entry for each time that the Trainer evaluated, or else logged: epoch, step, loss and measures."""
    entries: dict[int, dict[str, Any]] = {}
    loss: float | None = None
    evaluated = any(_is_evaluation(line) for line in history)
    for line in history:
        loss = line.get("loss", loss)
        if "step" not in line or "train_runtime" in line or (evaluated and not _is_evaluation(line)):
            continue
        entry = entries.setdefault(
            line["step"], {"epoch": line.get("epoch"), "step": line["step"], "loss": loss, "measures": {}}
        )
        if _is_evaluation(line):
            entry["measures"] |= measures_of(line)
    return [entries[step] for step in sorted(entries)]


def _is_evaluation(line: Mapping[str, Any]) -> bool:
    return any(name.startswith("eval_") for name in line)


class _Watch(TrainerCallback):
    """Advances the bar, says a line for each evaluation, and ends a training whose loss is not finite."""

    def __init__(self, label: str, reporter: Reporter) -> None:
        self._label = label
        self._reporter = reporter
        self._bar: Any = None
        self._advance: Advance = lambda: None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The bar, now that the number of steps is known."""
        self._bar = self._reporter.bar(self._label, state.max_steps, state.global_step)
        self._advance = self._bar.__enter__()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """The bar moves on."""
        self._advance()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """A loss that is no number ends it."""
        loss = (logs or {}).get("loss")
        if isinstance(loss, int | float) and (loss != loss or loss in (float("inf"), float("-inf"))):
            raise DivergedError(
                f"{self._label}: the loss is {loss} at step {state.global_step}; try a lower learning rate"
            )

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """A line."""
        said = "  ".join(f"{name} {value:.4f}" for name, value in measures_of(metrics or {}).items())
        self._reporter.line(f"{self._label}: epoch {state.epoch or 0:.4g}/{args.num_train_epochs:g}  {said}")

    def close(self) -> None:
        """Take the bar away, whatever ended the training."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


@contextmanager
def _borrowed(trainer: Any, args: Any) -> Iterator[None]:
    """Use a Trainer for one training of ours; what is its own comes back, also after an exception."""
    names = ("args", "optimizer", "lr_scheduler", "model_init", "model_wrapped")
    before = {name: getattr(trainer, name) for name in names}
    handler = trainer.callback_handler
    callbacks = list(handler.callbacks)
    states = [dict(vars(callback)) for callback in callbacks]
    # With a model_init it would begin with a model of its own, which nothing has been cut from.
    trainer.args, trainer.optimizer, trainer.lr_scheduler, trainer.model_init = args, None, None, None
    trainer.model_wrapped = trainer.model
    try:
        yield
    finally:
        for callback in handler.callbacks:
            if isinstance(callback, _Watch):
                callback.close()
        handler.callbacks = callbacks
        for callback, state in zip(callbacks, states, strict=True):  # such as a patience that was used up
            vars(callback).clear()
            vars(callback).update(state)
        for name, value in before.items():
            setattr(trainer, name, value)
