"""The configuration of a run: checked when it is made, saved with the run, compared when it goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from deepcuts.common.errors import InputError
from deepcuts.masks.budget import Budget, Scope
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.strategy import Strategy
from deepcuts.tasks import Task, TaskData, load_files, load_task
from deepcuts.training.plan import Decay, Precision, TrainingPlan

_Config = TypeVar("_Config", bound=BaseModel)


class DataConfig(BaseModel):
    """Which task, and where its data is.

    Attributes:
        task: A task known by name; None for the user's own files.
        data: Folder of a GLUE task; None takes the Hub or its cache.
        train: The user's own training file; with `dev`, `text` and `label` instead of `task`.
        dev: The user's own dev file.
        text: One or two columns with text.
        label: The column to predict.
        kind: Classification or regression; None is decided by the labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str | None = None
    data: str | None = None
    train: str | None = None
    dev: str | None = None
    text: tuple[str, ...] = ()
    label: str | None = None
    kind: Literal["classification", "regression"] | None = None

    @classmethod
    def make(cls, **given: Any) -> DataConfig:
        """From fields, where None counts as not given.

        Raises:
            InputError: A field's value is not allowed.
        """
        return _validated(cls, given)

    def load(self) -> TaskData:
        """Read and check the data.

        Raises:
            InputError: Neither a task nor files are named, or both.
            DataError: The data is missing, unreadable, or holds what the task doesn't allow.
        """
        if self.task is not None:
            if self.train or self.dev or self.text or self.label:
                raise InputError(
                    "task", self.task, "own files (--train, --dev, --text, --label) take its place"
                )
            return load_task(self.task, Path(self.data) if self.data else None)
        if not self.train:
            raise InputError("task", None, "name a task (--task), or your own files (--train, --dev, ...)")
        if not (self.dev and self.text and self.label):
            raise InputError("train", self.train, "own files need --dev, --text and --label as well")
        return load_files(Path(self.train), Path(self.dev), self.text, self.label, self.kind)


class PruneConfig(BaseModel):
    """Everything that can change what a run computes; see ``deepcuts prune --help`` for each in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: DataConfig
    strategy: str
    compression: float | None = None
    density: float | None = None
    sparsity: float | None = None
    scope: Scope | None = None
    rewind: Literal["pretrained", "finetuned"] = "pretrained"
    prunable: tuple[str, ...] | None = None
    seed: int = 0

    finetune_epochs: int
    retrain_epochs: int
    learning_rate: float
    retrain_learning_rate: float
    batch_size: int
    accumulation: int = 1
    decay: Decay = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    precision: Precision = "fp32"
    patience: int | None = None
    group_by_length: bool = False
    max_length: int = 128

    score_batches: int = 1000
    smooth_batches: int = 100
    score_batch_size: int = 16
    shift: float = 10.0
    noise_std: float = 0.1
    paths: int = 10
    dropout: bool = False
    score_precision: Literal["fp32", "bf16"] = "fp32"
    score_compile: bool = False
    padding: bool = False

    trust_remote_code: bool = False

    @classmethod
    def make(cls, task: Task, **given: Any) -> PruneConfig:
        """A configuration with the task's own schedule wherever none is given.

        Args:
            task: The task; its schedule fills what is missing.
            given: Fields; None counts as not given.

        Raises:
            InputError: A field's value is not allowed.
        """
        schedule = task.schedule
        filled: dict[str, Any] = {
            "finetune_epochs": int(schedule.finetune_epochs),
            "retrain_epochs": int(schedule.retrain_epochs),
            "learning_rate": schedule.learning_rate,
            "batch_size": schedule.batch_size,
        }
        filled.update({name: value for name, value in given.items() if value is not None})
        filled.setdefault("retrain_learning_rate", filled["learning_rate"])
        return _validated(cls, filled)

    @classmethod
    def check_strategy_and_budget(
        cls, strategy: str, compression: float | None, density: float | None, sparsity: float | None
    ) -> None:
        """What can be checked before data and model are there.

        Raises:
            InputError: The strategy is unknown, not exactly one budget is given, or it can't be one.
        """
        Strategy.parse(strategy)
        budgets = {"compression": compression, "density": density, "sparsity": sparsity}
        given = {name: value for name, value in budgets.items() if value is not None}
        if len(given) != 1:
            raise InputError(
                "budget", given or None, "give exactly one of --compression, --density, --sparsity"
            )
        if density is not None:
            Budget.from_density(density)
        if sparsity is not None:
            Budget.from_sparsity(sparsity)
        if compression is not None and not (math.isfinite(compression) and compression >= 1):
            raise InputError("compression", compression, "it must be a number, 1 or more")

    @model_validator(mode="after")
    def _check(self) -> PruneConfig:
        self.check_strategy_and_budget(self.strategy, self.compression, self.density, self.sparsity)
        for name in ("finetune_epochs", "retrain_epochs"):
            _at_least(name, getattr(self, name), 0)
        for name in ("batch_size", "accumulation", "score_batch_size", "score_batches", "smooth_batches"):
            _at_least(name, getattr(self, name), 1)
        if self.patience is not None:
            _at_least("patience", self.patience, 1)
        for name in ("learning_rate", "retrain_learning_rate"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(name, getattr(self, name), "it must be a number above 0")
        for name in ("weight_decay", "clip"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(name, getattr(self, name), "it must be a number, 0 or more")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise InputError("betas", self.betas, "both must be from 0 to below 1")
        if not 0 <= self.warmup < 1:
            raise InputError("warmup", self.warmup, "it is a share of the steps, from 0 to below 1")
        self.scoring()
        return self

    def budget(self, total: int, prunable: int) -> Budget:
        """The budget, for a model with so many parameters, so many of them prunable.

        Raises:
            InputError: It is out of reach.
        """
        if self.density is not None:
            return Budget.from_density(self.density, self.scope)
        if self.sparsity is not None:
            return Budget.from_sparsity(self.sparsity, self.scope)
        assert self.compression is not None
        return Budget.from_counts(total, prunable, self.compression, self.scope)

    def scoring(self) -> ScoringOptions:
        """The options of scoring."""
        return ScoringOptions(
            shift=self.shift,
            noise_std=self.noise_std,
            paths=self.paths,
            dropout=self.dropout,
            precision=self.score_precision,
            compile=self.score_compile,
            padding=self.padding,
            max_batches=self.score_batches,
            max_smooth_batches=self.smooth_batches,
        )

    def finetuning(self) -> TrainingPlan:
        """The plan of the first fine-tuning."""
        return self._plan(self.finetune_epochs, self.learning_rate)

    def retraining(self) -> TrainingPlan:
        """The plan of the retraining after the cut."""
        return self._plan(self.retrain_epochs, self.retrain_learning_rate)

    def differences(self, other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Fields in which a saved configuration differs: name → (saved, this one's)."""
        mine = self.model_dump(mode="json")
        return {
            name: (other.get(name), mine.get(name))
            for name in sorted({*mine, *other})
            if mine.get(name) != other.get(name)
        }

    def _plan(self, epochs: int, learning_rate: float) -> TrainingPlan:
        shared = {field.name for field in fields(TrainingPlan)} - {"epochs", "learning_rate"}
        return TrainingPlan(epochs, learning_rate, **{name: getattr(self, name) for name in shared})


def _validated(kind: type[_Config], given: Mapping[str, Any]) -> _Config:
    """Make a configuration; pydantic's errors become ours, naming argument, value and what is allowed."""
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            raise cause from None
        argument = ".".join(str(part) for part in first["loc"]) or "configuration"
        message = first["msg"]
        raise InputError(argument, first["input"], message[:1].lower() + message[1:]) from None


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(name, value, f"it must be {least} or more")
