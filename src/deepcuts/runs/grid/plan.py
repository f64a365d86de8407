"""The plan of a grid: which stages its cells need, what they share, and what is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepcuts.common.store import is_finished, stage_key
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.grid.file import Grid
from deepcuts.runs.grid.jobs import Jobs, loaded_key
from deepcuts.runs.grid.records import CELL, CellRecord, read_cell
from deepcuts.runs.stages import (
    FINETUNE,
    SCORE,
    Job,
    cut_identity,
    finetune_identity,
    score_identity,
)
from deepcuts.scoring.request import ScoreRequest
from deepcuts.scoring.scoring import count_passes

#: What the store calls these stages too.
Kind = Literal["finetune", "score", "cell"]


@dataclass(frozen=True)
class Work:
    """How much work something is.

    Attributes:
        finetune_epochs: Epochs of first fine-tuning.
        passes: Passes of scoring, a batch each.
        retrain_epochs: Epochs of retraining.
    """

    finetune_epochs: int = 0
    passes: int = 0
    retrain_epochs: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.finetune_epochs + other.finetune_epochs,
            self.passes + other.passes,
            self.retrain_epochs + other.retrain_epochs,
        )


@dataclass(frozen=True)
class Unit:
    """One piece of work that a worker does from start to end; it can be sent to another machine.

    Attributes:
        kind: A fine-tuning, a sweep of scores, or a cell.
        key: Tells it from every other; of a cell, the cell's key.
        configs: What it is done for: of a sweep, every strategy with its options; else a single one.
        needs: Keys of the units that must be finished first.
        work: How much it is.
        scores: Of a sweep, the keys of the scores that it makes.
    """

    kind: Kind
    key: str
    configs: tuple[PruneConfig, ...]
    needs: frozenset[str]
    work: Work
    scores: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a grid consists of, and what of it is still to be done.

    Attributes:
        name: The grid's name.
        store: The store's folder.
        cells: Every cell's key and configuration, in the order of the file.
        units: What is to be done, in that order as well; a unit's needs stand before it.
        alone: The work of all cells if each were run on its own.
        shared: The same with every stage done once.
        left: The work of `units`.
    """

    name: str
    store: Path
    cells: Mapping[str, PruneConfig]
    units: tuple[Unit, ...]
    alone: Work
    shared: Work
    left: Work

    def records(self) -> list[CellRecord]:
        """The cells as the store knows them now."""
        return [
            read_cell(self.store, key, config.model_dump(mode="json")) for key, config in self.cells.items()
        ]


def make_plan(grid: Grid, store: Path, jobs: Jobs, *, failed: bool = False) -> Plan:
    """Load what a grid names, check all of it, and find out what is to be done.

    Args:
        grid: The grid.
        store: The store's folder; it need not be there.
        jobs: Where models and data are loaded.
        failed: Whether the failed cells are what is to be done, instead of the missing ones.

    Raises:
        DeepcutsError: A cell can't be run; the message says what is wrong with it.
    """
    cells = _cells([jobs.config(settings) for settings in grid.cells], jobs)
    wanted = "failed" if failed else "missing"
    to_do = [cell for cell in cells if read_cell(store, cell.key, {}).status == wanted]
    units = [*_finetunings(to_do, store), *_sweeps(to_do, store)]
    there = {unit.key for unit in units}
    sweep_of = {key: unit.key for unit in units if unit.kind == SCORE for key in unit.scores}
    for cell in to_do:
        needs = frozenset({cell.dense, sweep_of.get(cell.score, "")}) & there
        work = Work(retrain_epochs=cell.config.retrain_epochs)
        units.append(Unit(CELL, cell.key, (cell.config,), needs, work))
    first = {key: index for index, cell in reversed(list(enumerate(to_do))) for key in cell.keys(sweep_of)}
    units.sort(key=lambda unit: (first[unit.key], _ORDER.index(unit.kind)))
    return Plan(
        name=grid.name,
        store=store,
        cells={cell.key: cell.config for cell in cells},
        units=tuple(units),
        alone=sum((cell.alone for cell in cells), Work()),
        shared=_shared(cells),
        left=sum((unit.work for unit in units), Work()),
    )


_ORDER = (FINETUNE, SCORE, CELL)


@dataclass(frozen=True)
class _Cell:
    """A cell with the keys of what it needs."""

    key: str
    dense: str
    score: str
    config: PruneConfig
    request: ScoreRequest
    batches: int  # of its batch size, in the training rows

    @property
    def alone(self) -> Work:
        """Its work if it were run on its own."""
        passes = count_passes([self.request], self.batches)
        return Work(self.config.finetune_epochs, passes, self.config.retrain_epochs)

    @property
    def sweep(self) -> tuple[str, int]:
        """The same for cells that can be scored in one sweep."""
        return self.dense, self.config.score_batch_size

    def keys(self, sweep_of: Mapping[str, str]) -> tuple[str, ...]:
        """Keys of its own unit and of those that it needs."""
        return self.dense, sweep_of.get(self.score, ""), self.key


def _cells(configs: Sequence[PruneConfig], jobs: Jobs) -> list[_Cell]:
    """Every cell once, in the order of the file; model by model, because only one is held at a time."""
    by_model: dict[str, list[int]] = {}
    for index, config in enumerate(configs):
        by_model.setdefault(loaded_key(config), []).append(index)
    found: dict[int, _Cell] = {}
    for indices in by_model.values():
        for index in indices:
            found[index] = _cell(jobs.job(configs[index]))
    return list({cell.key: cell for _, cell in sorted(found.items(), reverse=True)}.values())[::-1]


def _cell(job: Job) -> _Cell:
    dense = stage_key(FINETUNE, finetune_identity(job))
    return _Cell(
        key=stage_key(CELL, cut_identity(job)),
        dense=dense,
        score=stage_key(SCORE, score_identity(job, dense, job.request)),
        config=job.config,
        request=job.request,
        batches=-(-len(job.task.train) // job.config.score_batch_size),
    )


def _finetunings(cells: Sequence[_Cell], store: Path) -> list[Unit]:
    first = {cell.dense: cell for cell in reversed(cells)}
    return [
        Unit(FINETUNE, key, (cell.config,), frozenset(), Work(finetune_epochs=cell.config.finetune_epochs))
        for key, cell in first.items()
        if not is_finished(store, FINETUNE, key)
    ]


def _sweeps(cells: Sequence[_Cell], store: Path) -> list[Unit]:
    units = []
    for (dense, _), by_score in _by_sweep(cells).items():
        missing = [cell for key, cell in by_score.items() if not is_finished(store, SCORE, key)]
        if missing:
            scores = tuple(cell.score for cell in missing)
            needs = frozenset() if is_finished(store, FINETUNE, dense) else frozenset({dense})
            work = Work(passes=count_passes([cell.request for cell in missing], missing[0].batches))
            configs = tuple(cell.config for cell in missing)
            units.append(Unit(SCORE, stage_key("sweep", {"of": scores}), configs, needs, work, scores))
    return units


def _by_sweep(cells: Sequence[_Cell]) -> dict[tuple[str, int], dict[str, _Cell]]:
    """Cells by the sweep that scores them, each score once."""
    sweeps: dict[tuple[str, int], dict[str, _Cell]] = {}
    seen: set[str] = set()  # a score that needs no data fits into several sweeps
    for cell in cells:
        if cell.score not in seen:
            seen.add(cell.score)
            sweeps.setdefault(cell.sweep, {})[cell.score] = cell
    return sweeps


def _shared(cells: Sequence[_Cell]) -> Work:
    """The work of these cells from nothing, with every stage done once."""
    dense = {cell.dense: cell.config.finetune_epochs for cell in cells}
    passes = 0
    for by_score in _by_sweep(cells).values():
        requests = [cell.request for cell in by_score.values()]
        passes += count_passes(requests, next(iter(by_score.values())).batches)
    return Work(sum(dense.values()), passes, sum(cell.config.retrain_epochs for cell in cells))
