"""A training: of the dense model, or with masks held; found in a store, or done and stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.common.seeds import SEEDS, derive_seed
from deepcuts.common.store import Identity, Stage
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot, rewind, snapshot
from deepcuts.runs.steps.step import STATE, Run, SharedStep, Trained, Work, arithmetic, said, saved_state
from deepcuts.runs.steps.workpiece import Aim, Assessment, Workpiece
from deepcuts.training.plan import TrainingPlan

#: Raised when a training of the same identity would give other weights, or one's defaults have changed.
VERSION = 4

_PREDICTIONS, _DEV = "predictions.safetensors", "dev"
_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Train(SharedStep):
    """Train the model as it is, with a fresh optimizer, with the masks held that are on it; measure it.

    Attributes:
        kind: What it is called in a store, a result and a history, such as ``"retrain"``.
        label: What it is called in progress, such as ``"retrain"``.
        phase: What its model is called in a result, such as ``"retrained"``.
        title: What it is called where work is counted, such as ``"retraining"``.
        plan: How.
        aim: What is minimised.
        note: What else is said of it before it is done.
        ways: What to try where it ends on a plateau, beside what always helps.
        restarts: Times at most that it is done again, in another order, where it ends on a plateau.
        former: How version 0.1 identified it; see `deepcuts.runs.legacy`.
    """

    kind: str
    label: str
    phase: str
    title: str
    plan: TrainingPlan
    aim: Aim = Aim()  # noqa: RUF009 frozen
    is_shared: bool = False
    note: str = ""
    ways: tuple[str, ...] = ()
    restarts: int = 0
    former: Callable[[Any, Masks | None], Mapping[str, Any] | None] | None = None

    def identity(self, piece: Workpiece, before: str) -> Identity:
        """Rows, measure, plan and aim, beside what the model is."""
        return self._identity(piece, before, None)

    def do(self, run: Run, before: str) -> None:
        """Give the model its trained weights."""
        identity = self._identity(run.piece, before, run.masks)
        store = run.shared if self.is_shared else run.own
        assert store is not None
        with store.stage(identity) as stage:
            if stage.record is None:
                stage = self._train(run, stage)
            else:
                run.piece.reporter.line(f"{self.label}: reused from {stage.folder}")
                rewind(run.piece.model, saved_state(stage.folder))
            predictions = _said(stage.folder / _PREDICTIONS)
        record = stage.record
        assert record is not None
        ways = (*self.ways, *(["--warmup 0.1"] if self.plan.warmup == 0 else []))
        run.take(self.phase, Assessment(record["measures"], predictions))
        if record.get("last_epoch") is None:  # it is the best one
            record = {**record, "last_constant": run.constant[self.phase]}
        trained = Trained(
            stage.key,
            stage.folder,
            predictions,
            **record,
            plateau=run.piece.plateau(record["epochs"], record["measures"], predictions),
            ways=(*ways, "more epochs (--epochs)", "another --seed"),
        )
        if trained.plateau is not None and trained.plateau.at_end:
            run.piece.reporter.line(f"{self.label}: {trained.plateau.sentence(trained.ways)}")
        run.trained[self.kind] = trained
        run.seconds[self.kind] = trained.seconds
        run.environments[self.kind] = stage.environment

    def work(self, rows: int) -> Work:
        """Its epochs."""
        return Work({f"{self.title}, epochs": self.plan.epochs})

    def preview(self, piece: Workpiece) -> tuple[str, str]:
        """Epochs, steps and learning rate."""
        steps = self.plan.steps(piece.rows, piece.processes.count)
        line = f"{self.plan.epochs} epochs, {steps:,} steps at {self.plan.learning_rate:g}"
        aim = f", by {self.aim.objective}" if self.aim != Aim() else ""
        return self.label, line + (f", {self.note}" if self.note else "") + aim

    def _identity(self, piece: Workpiece, before: str, masks: Masks | None) -> Identity:
        aim = {"objective": self.aim.objective, "options": dict(self.aim.options) or None}
        content = {
            "version": VERSION,
            "before": before,
            **piece.lessons,
            "plan": not_at_default(self.plan),
            "aim": None if self.aim == Aim() else said({**aim, "teacher": self.aim.teacher}),
            "restarts": self.restarts or None,
            **arithmetic(piece),
        }
        is_old = self.aim == Aim() and not self.restarts and piece.has_former
        former = self.former(piece, masks) if self.former is not None and is_old else None
        return Identity(self.kind, said(content), former)

    def _train(self, run: Run, stage: Stage) -> Stage:
        piece, seconds = run.piece, 0.0
        started_from = snapshot(piece.model) if self.restarts else None
        for restart in range(self.restarts + 1):
            folder = stage.folder / (f"{_CHECKPOINTS}-{restart}" if restart else _CHECKPOINTS)
            if restart:
                assert started_from is not None
                rewind(piece.model, started_from)
                piece.reporter.line(f"{self.label}: on a plateau; restart {restart} of {self.restarts}")
            training = piece.train(
                self._plan(restart),
                folder,
                masks=run.masks,
                aim=self.aim,
                teacher=self._teacher(run),
                label=self.label,
                tracking=run.tracking,
            )
            seconds += training.seconds
            found = piece.assess()
            plateau = piece.plateau(training.epochs, found.measures, found.predictions)
            if plateau is None or not plateau.at_end:
                break
        record = {
            "epochs": training.epochs,
            "best_epoch": training.best_epoch,
            "seconds": seconds,
            "measures": found.measures,
            **({"restarted": restart} if self.restarts else {}),
            **({} if training.last is None else {"last_epoch": dict(training.last)}),
            **({} if training.last_constant is None else {"last_constant": training.last_constant}),
        }
        if piece.processes.is_first:
            if found.predictions is not None:
                piece.save_predictions(stage.folder / _PREDICTIONS, {_DEV: found.predictions})
            tensor_file.save(stage.folder / STATE, "state", snapshot(piece.model).tensors, {})
            stage.finish(record)
            for folder in stage.folder.glob(f"{_CHECKPOINTS}*"):
                shutil.rmtree(folder, ignore_errors=True)
        piece.processes.wait()
        return stage.finished()

    def _plan(self, restart: int) -> TrainingPlan:
        if restart == 0:
            return self.plan
        return replace(self.plan, seed=derive_seed(self.plan.seed, "restart", restart) % SEEDS)

    def _teacher(self, run: Run) -> Snapshot | None:
        if self.aim.teacher is None:
            return None
        return saved_state(run.trained[self.aim.teacher].folder)


def _said(path: Path) -> Tensor | None:
    """What a training's model says of the dev rows, if its stage has it."""
    if not path.exists():
        return None
    held, _ = tensor_file.load(path, "predictions")
    with tensor_file.meaning(path, "predictions"):
        return held[_DEV]


def not_at_default(plan: TrainingPlan) -> dict[str, Any]:
    """The fields of a plan that are not at their default, JSON-able."""
    default = {field.name: field.default for field in fields(plan)}
    return {name: value for name, value in asdict(plan).items() if value != default[name]}
