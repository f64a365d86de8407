"""What a step is, and a recipe on its way through its steps."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.common.store import Identity, Store, stage_key
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot, rewind
from deepcuts.runs.plateau import Plateau
from deepcuts.runs.steps.workpiece import Assessment, Tracking, Workpiece
from deepcuts.scoring.scores import Scores

#: The file of the weights that a training left, in its stage's folder.
STATE = "state.safetensors"

#: How much work something is: kind of work, such as ``"fine-tuning, epochs"`` → how much of it.
Work = Counter[str]


@dataclass(frozen=True)
class Trained:
    """A finished training; the model has its weights.

    Attributes:
        key: Digest of everything that it depends on.
        folder: Its stage's, which the weights are kept in.
        predictions: What the model says of the dev rows; None where that can't be had.
        measures: What it reaches there.
        epochs: See `deepcuts.training.trainer.Training`.
        best_epoch: Likewise.
        seconds: Likewise.
        plateau: Where it ended no better than a constant, or was so after half of its steps.
        ways: What to try against that.
        restarted: How often it was begun again after ending on one.
        last_epoch: What the model of its last epoch reaches on dev; None where that is the best one.
        last_constant: Why that is no better than a constant prediction; None if it is.
    """

    key: str
    folder: Path = field(repr=False, compare=False)
    predictions: Tensor | None = field(repr=False, compare=False)
    measures: dict[str, float]
    epochs: list[dict[str, Any]]
    best_epoch: int | None
    seconds: float
    plateau: Plateau | None = None
    ways: tuple[str, ...] = ()
    restarted: int = 0
    last_epoch: dict[str, float] | None = None
    last_constant: str | None = None


@dataclass(frozen=True)
class Scored:
    """Scores of one strategy.

    Attributes:
        scores: The scores.
        seconds: Wall time of the sweep that made them.
        shared_by: How many kinds of scores that sweep made.
    """

    scores: Scores
    seconds: float
    shared_by: int


@dataclass
class Run:
    """A recipe on its way: what its steps have found so far.

    Attributes:
        piece: What the steps are carried out on.
        shared: Where stages go that other runs may use.
        own: Where those go that only this run needs; None while only shared ones are wanted.
        folder: The run folder, likewise.
        tracking: Where trainings are logged.
        keep_scores: Whether scores are saved in the run folder.
        keep_model: Whether the pruned model is; masks and predictions always are.
        masks: The masks that are on the model.
        scored: The scores that were made, in their order.
        trained: Name of a training → what it gave.
        predictions: Phase → what the model said of the dev rows then, where that can be had.
        measures: Phase → how good that is.
        constant: Phase → why that is no better than a constant prediction; None where it is.
        seconds: Wall time by what it was spent on.
        environments: Step → what it was made with, None where a stage of version 0.1 does not say.
    """

    piece: Workpiece
    shared: Store
    own: Store | None = None
    folder: Path | None = None
    tracking: Tracking | None = None
    keep_scores: bool = False
    keep_model: bool = True
    masks: Masks | None = None
    scored: list[Scored] = field(default_factory=list)
    trained: dict[str, Trained] = field(default_factory=dict)
    predictions: dict[str, Tensor] = field(default_factory=dict)
    measures: dict[str, dict[str, float]] = field(default_factory=dict)
    constant: dict[str, str | None] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    environments: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the wall time of what is done within as spent on this."""
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def take(self, phase: str, found: Assessment) -> None:
        """Keep what the model is worth in a phase of the run, such as ``"pruned"``."""
        self.measures[phase], self.constant[phase] = found.measures, self.piece.why_constant(found)
        if found.predictions is not None:
            self.predictions[phase] = found.predictions

    def weights_after(self, training: str | None) -> Mapping[str, Tensor] | None:
        """The prunable weights that a training left, before any cut; None for no training's."""
        if training is None:
            return None
        state = saved_state(self.trained[training].folder).tensors
        return {name: state[name] for name in self.piece.parameters}

    @property
    def run_folder(self) -> Path:
        """The run folder of a run that has one."""
        assert self.folder is not None
        return self.folder


def saved_state(folder: Path) -> Snapshot:
    """The weights that a training left in its stage's folder."""
    return Snapshot(tensor_file.load(folder / STATE, "state")[0])


class Step(ABC):
    """One step of a recipe, as data: what it does is settled before anything is done.

    Attributes:
        kind: What a store calls its stage.
        is_shared: Whether other runs may use what it finds: whether it goes into the shared store.
    """

    kind: str
    is_shared: bool = False

    @abstractmethod
    def do(self, run: Run, before: str) -> None:
        """Find it in a store, or do it.

        Args:
            run: What the steps before have found; gets what this one finds.
            before: Key of all that the model and its masks depend on here.
        """

    def identity(self, piece: Workpiece, before: str) -> Identity | None:
        """Everything that what comes after depends on; None for a step that changes nothing for it."""
        return None

    def work(self, rows: int) -> Work:
        """How much work it is, for so many rows to learn and to be scored from."""
        return Work()

    def preview(self, piece: Workpiece) -> tuple[str, str] | None:
        """A word, and a line about what it will do; None for a step that nobody waits for."""
        return None


class SharedStep(Step):
    """A step that may be done together with like ones of other runs.

    Attributes:
        title: What it is called where work is counted.
    """

    title: str

    def together(self, piece: Workpiece, before: str) -> str:
        """The same for steps that can be done together; by default for equal ones alone."""
        identity = self.identity(piece, before)
        assert identity is not None
        return identity.key

    def do_all(self, run: Run, before: str, steps: Sequence[Any]) -> None:
        """Do several that `together` says the same of, this one among them, into the shared store."""
        self.do(run, before)

    def work_of_all(self, rows: int, steps: Sequence[Any]) -> Work:
        """How much work several are, done together."""
        return self.work(rows)


def key_at_start(piece: Workpiece) -> str:
    """Key of what the first step finds: the model at θ0, without masks."""
    return stage_key("start", piece.origin)


def walk(piece: Workpiece, steps: Sequence[Step]) -> Iterator[tuple[Step, str, Identity | None]]:
    """Each step, the key of all before it, and its identity; nothing is done."""
    before = key_at_start(piece)
    for step in steps:
        identity = step.identity(piece, before)
        yield step, before, identity
        before = before if identity is None else identity.key


def key_at_end(piece: Workpiece, steps: Sequence[Step]) -> str:
    """Key of all that the pruned and retrained model depends on, known before anything has run."""
    key = key_at_start(piece)
    for _, before, identity in walk(piece, steps):
        key = before if identity is None else identity.key
    return key


def do_steps(run: Run, steps: Sequence[Step], until: str | None = None) -> None:
    """Carry out a recipe from θ0, whatever the model was used for before.

    Args:
        run: Gets what the steps find.
        steps: The steps.
        until: Key before the step that is not done any more; None for all.
    """
    rewind(run.piece.model, run.piece.start)
    run.masks = run.piece.held
    for step, before, _ in walk(run.piece, steps):
        if before == until:
            return
        step.do(run, before)


def arithmetic(piece: Workpiece) -> dict[str, Any]:
    """What numbers depend on beside what is computed: device, versions, processes if there are several."""
    import transformers

    device = next(piece.model.parameters()).device.type
    count = piece.processes.count
    return {
        "device": device,
        "torch": _minor(torch.__version__),
        "transformers": _minor(transformers.__version__),
        **({"processes": count} if count > 1 else {}),
    }


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def said(content: Mapping[str, Any]) -> dict[str, Any]:
    """What of an identity says something: None is left out."""
    return {name: value for name, value in content.items() if value is not None}
