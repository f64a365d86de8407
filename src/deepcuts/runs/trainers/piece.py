"""A Trainer and its model as the steps of a recipe see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from deepcuts.common import tensor_file
from deepcuts.common.processes import Processes
from deepcuts.common.progress import Reporter
from deepcuts.masks.budget import Budget
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot
from deepcuts.runs.config_digest import config_digest
from deepcuts.runs.held import zeros_of
from deepcuts.runs.planned import Planned
from deepcuts.runs.plateau import Plateau
from deepcuts.runs.steps.workpiece import Aim, Assessment, Tracking, Training
from deepcuts.runs.trainers.batches import TrainerBatches
from deepcuts.runs.trainers.checks import loss_of
from deepcuts.runs.trainers.config import TrainerConfig
from deepcuts.runs.trainers.saving import save_and_check
from deepcuts.runs.trainers.training import measures_of, train_by
from deepcuts.scoring.passes import LossFunction
from deepcuts.training.plan import TrainingPlan


@dataclass
class TrainerPiece(Planned):
    """A Trainer's model, trained, scored and measured by the Trainer.

    Attributes:
        config: The configuration.
        trainer: The Trainer.
        model: Its model, without wrappers.
        start: What the model is before the first step.
        pretrained: θ0.
        parameters: The prunable parameters of `model`.
        budget: How much is kept.
        processes: The processes that share the work.
        reporter: Where progress is shown.
        told: What was guessed or found, a sentence each.
    """

    config: TrainerConfig
    trainer: Any
    model: nn.Module
    start: Snapshot
    pretrained: Snapshot
    parameters: Mapping[str, nn.Parameter]
    budget: Budget
    processes: Processes
    reporter: Reporter
    told: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Model and Trainer."""
        return f"{self.config.model} by {type(self.trainer).__name__}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know."""
        found = list(self.told)
        if zeros := zeros_of(self.start, self.parameters):
            what = "stay so" if self.config.keep_zeros else "may come back in training, keep_zeros holds them"
            found.append(f"{zeros:,} of the prunable weights are 0 already; they {what}")
        return tuple(found)

    @property
    def described(self) -> Sequence[tuple[str, str]]:
        """The Trainer's data, loss and measures."""
        return [
            ("rows", f"{self.rows:,} of {type(self.trainer.train_dataset).__name__}, by its own collator")
        ]

    def facts(self) -> dict[str, Any]:
        """What a result says of model, task and inputs; a constant baseline is not known."""
        trainer, config = self.trainer, getattr(self.model, "config", None)
        return {
            "model": {
                "name": self.config.model,
                "class": type(self.model).__name__,
                "architecture": getattr(config, "model_type", None),
                "start_digest": self.start.digest,
            },
            "task": {
                "name": type(trainer).__name__,
                "kind": "trainer",
                "primary": primary_of(trainer),
                "source": "a Trainer",
                "digest": self.config.data["train"],
                "train_rows": self.rows,
                "dev_rows": _count(trainer.eval_dataset),
            },
            "inputs": {**self.origin, **self.lessons},
            "baseline": None,
        }

    # What its steps see of it, see `Workpiece`.

    @property
    def has_former(self) -> bool:
        """Version 0.1 knew no Trainers."""
        return False

    @property
    def loss(self) -> LossFunction:
        """The Trainer's own."""
        return lambda model, batch: loss_of(self.trainer, model, batch)

    @property
    def rows(self) -> int:
        """Number of training rows; for data without a length, of those in the steps that it takes."""
        counted = _count(self.trainer.train_dataset)
        args = self.trainer.args
        return counted or max(args.max_steps, 1) * args.per_device_train_batch_size

    @cached_property
    def origin(self) -> dict[str, Any]:
        """The start, θ0 where that is another, and what the model makes of it."""
        found = {"start": self.start.digest, "config": config_digest(self.model)}
        other = {"pretrained": self.pretrained.digest} if self.pretrained is not self.start else {}
        return {**found, **other, **({"keep_zeros": True} if self.config.keep_zeros else {})}

    @property
    def lessons(self) -> dict[str, Any]:
        """The Trainer's class, arguments, and digests of its rows."""
        return {name: value for name, value in self.config.data.items() if value is not None}

    @property
    def material(self) -> dict[str, Any]:
        """The same: batches and loss are the Trainer's."""
        return self.lessons

    def train(
        self,
        plan: TrainingPlan,
        folder: Path,
        *,
        masks: Masks | None,
        aim: Aim,
        teacher: Snapshot | None,
        label: str,
        tracking: Tracking | None,
    ) -> Training:
        """See `train_by`; what is minimised is the Trainer's."""
        own = self.config.own(self.trainer.args)
        return train_by(
            self.trainer, self.model, own, plan, folder, masks=masks, label=label, reporter=self.reporter
        )

    def assess(self) -> Assessment:
        """What the Trainer's ``evaluate`` says; nothing where it has nothing to evaluate on."""
        if not can_evaluate(self.trainer):
            return Assessment({})
        return Assessment(measures_of(self.trainer.evaluate()))

    def why_constant(self, found: Assessment) -> str | None:
        """Not known, as below."""
        return None

    def plateau(
        self, epochs: Sequence[Mapping[str, Any]], measures: Mapping[str, float], predictions: Tensor | None
    ) -> Plateau | None:
        """Not known: a Trainer does not say what a constant prediction reaches."""
        return None

    def batches(self, size: int, limit: int | None) -> TrainerBatches:
        """The Trainer's own batches, of its own size."""
        return TrainerBatches(self.trainer, self.seed, limit)

    def save_predictions(
        self, path: Path, predictions: Mapping[str, Tensor], *, targets: bool = False
    ) -> None:
        """Write predictions, if there are any."""
        tensor_file.save(path, "predictions", predictions, {})

    def save(self, folder: Path, masks: Masks) -> None:
        """See `save_and_check`."""
        save_and_check(self.trainer, self.model, folder, masks)


def can_evaluate(trainer: Any) -> bool:
    """Whether a Trainer has anything to evaluate on: rows, or an evaluator as sentence-transformers has."""
    return trainer.eval_dataset is not None or getattr(trainer, "evaluator", None) is not None


def primary_of(trainer: Any) -> str:
    """The measure that a Trainer chooses its best model by; its loss where it names none."""
    return str(trainer.args.metric_for_best_model or "loss").removeprefix("eval_")


def _count(rows: Any) -> int | None:
    if isinstance(rows, Mapping):
        counts = [_count(inner) for inner in rows.values()]
        return sum(count or 0 for count in counts)
    try:
        return len(rows)
    except TypeError:
        return None
