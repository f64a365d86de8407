"""What the steps of a recipe are carried out on, as they see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from deepcuts.common.processes import Processes
from deepcuts.common.progress import Reporter
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot
from deepcuts.runs.plateau import Plateau
from deepcuts.scoring.passes import LossFunction
from deepcuts.training.plan import TrainingPlan


@dataclass(frozen=True)
class Tracking:
    """Where trainings are logged, beside the history that every run keeps.

    Attributes:
        report_to: Experiment trackers that Transformers knows, such as ``"tensorboard"``.
        folder: For those that write files; one folder a training is made in it.
    """

    report_to: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Aim:
    """What a training minimises.

    Attributes:
        objective: Name of the objective.
        options: Those of its options that are not at their default.
        teacher: Name of the earlier training whose model it learns from; None for none.
    """

    objective: str = "task"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    teacher: str | None = None


class Batches(Protocol):
    """Batches in their order, as often as they are asked for."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[dict[str, Tensor]]: ...


@dataclass(frozen=True)
class Training:
    """What a training did; the model has the weights of its best epoch.

    Attributes:
        epochs: An entry per finished epoch, see `deepcuts.training.trainer.Training`.
        best_epoch: The epoch whose weights the model has; None where there was no epoch.
        seconds: Wall time of this process's share of it.
        last: What the model of the last epoch reaches on dev; None where that is the best one.
        last_constant: Why that is no better than a constant; None if it is, or where it is not known.
    """

    epochs: list[dict[str, Any]]
    best_epoch: int | None
    seconds: float
    last: Mapping[str, float] | None = None
    last_constant: str | None = None


@dataclass(frozen=True)
class Assessment:
    """What a model is worth on the dev rows.

    Attributes:
        measures: How good it is.
        predictions: What it says of them, ``(rows, …)`` on the CPU; None where that can't be had.
    """

    measures: dict[str, float]
    predictions: Tensor | None = None


class Workpiece(Protocol):
    """A model, and ways to train, score and measure it; steps know nothing else.

    `deepcuts.runs.job.Job` is one, from a configuration and a task; a user's own Trainer can be another.
    """

    @property
    def model(self) -> nn.Module:
        """The model, on its device; in whatever state the last step left it."""

    @property
    def start(self) -> Snapshot:
        """What the model is before the first step: θ0, or what is fine-tuned already."""

    @property
    def pretrained(self) -> Snapshot:
        """θ0, which rewinding goes back to."""

    @property
    def loss(self) -> LossFunction | None:
        """What weights are scored by; None for the loss that the model itself returns."""

    @property
    def has_former(self) -> bool:
        """Whether version 0.1 could have made stages of it, which are found again then."""

    @property
    def held(self) -> Masks | None:
        """Masks that are on the model before the first step, and what they cut stays cut; None for none."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The prunable parameters of the model."""

    @property
    def processes(self) -> Processes:
        """The processes that share the work."""

    @property
    def reporter(self) -> Reporter:
        """Where progress is shown."""

    @property
    def seed(self) -> int:
        """Seed of noise, dropout and random scores."""

    @property
    def rows(self) -> int:
        """How many rows it learns and is scored from."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """What tells it apart before the first step, JSON-able: start and configuration of the model."""

    @property
    def lessons(self) -> Mapping[str, Any]:
        """What tells its trainings apart beside their plan, JSON-able: rows to learn from, the measure."""

    @property
    def material(self) -> Mapping[str, Any]:
        """What tells its scoring batches apart beside their size, JSON-able."""

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
        """Train the model as it is, masks held; checkpoints go into the folder, and are gone on from."""

    def assess(self) -> Assessment:
        """Measure the model as it is on the dev rows."""

    def why_constant(self, found: Assessment) -> str | None:
        """Why the model is no better than a constant prediction; None if it is, or not known."""

    def plateau(
        self, epochs: Sequence[Mapping[str, Any]], measures: Mapping[str, float], predictions: Tensor | None
    ) -> Plateau | None:
        """Where a training ended no better than a constant, see `deepcuts.runs.plateau.find_plateau`."""

    def batches(self, size: int, limit: int | None) -> Batches:
        """The batches that weights are scored on, of so many rows, so many at most."""

    def save_predictions(
        self, path: Path, predictions: Mapping[str, Tensor], *, targets: bool = False
    ) -> None:
        """Write what models said of the dev rows, ``(rows, …)`` each, and if asked what is to be said."""

    def save(self, folder: Path, masks: Masks) -> None:
        """Write the model, read it back, and check that it is the same and has the masks' zeros."""
