"""The worklist of a grid: which steps its cells need, what they share, and what is there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deepcuts.common.store import Identity, check_stage, stage_folder, stage_key
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.grid.file import Grid
from deepcuts.runs.grid.jobs import Jobs, loaded_key
from deepcuts.runs.grid.labels import label_cells
from deepcuts.runs.grid.records import CELL, CellRecord, former_settings, read_cell
from deepcuts.runs.inputs import tests_of
from deepcuts.runs.job import Job
from deepcuts.runs.sharing import Part, group, shared_parts, work_of
from deepcuts.runs.steps import Work, key_at_end


@dataclass(frozen=True)
class Unit:
    """One piece of work that a worker does from start to end; it can be sent to another machine.

    Attributes:
        kind: A cell, or the kind of a shared step, as the store calls it.
        key: Tells it from every other; of a cell, the cell's key.
        title: What it is called where it fails.
        name: What it is called in progress: a cell by all in which the grid's cells differ.
        configs: What it is done for: of a sweep, every strategy with its options; else a single one.
        needs: Keys of the units that must be finished first.
        work: How much it is.
        makes: Keys of the stages that it makes, in the store.
    """

    kind: str
    key: str
    title: str
    name: str
    configs: tuple[PruneConfig, ...]
    needs: frozenset[str]
    work: Work
    makes: tuple[str, ...]


@dataclass(frozen=True)
class Worklist:
    """What a grid consists of, and what of it is still to be done.

    Attributes:
        name: The grid's name.
        store: The store's folder.
        cells: Every cell's key and configuration, in the order of the file.
        units: What is to be done, in that order as well; a unit's needs stand before it.
        alone: The work of all cells if each were run on its own.
        shared: The same with every stage done once.
        left: The work of `units`.
        merged: Combinations of settings that come to one cell, a sentence each.
    """

    name: str
    store: Path
    cells: Mapping[str, PruneConfig]
    units: tuple[Unit, ...]
    alone: Work
    shared: Work
    left: Work
    merged: tuple[str, ...] = ()

    def records(self) -> list[CellRecord]:
        """The cells as the store knows them now."""
        return [
            read_cell(self.store, key, config.model_dump(mode="json")) for key, config in self.cells.items()
        ]


def make_worklist(grid: Grid, store: Path, jobs: Jobs, *, failed: bool = False) -> Worklist:
    """Load what a grid names, check all of it, and find out what is to be done.

    Args:
        grid: The grid.
        store: The store's folder; it need not be there.
        jobs: Where models and data are loaded.
        failed: Whether the failed cells are what is to be done, instead of the missing ones.

    Raises:
        DeepcutsError: A cell can't be run; the message says what is wrong with it.
    """
    begun = former_settings(store)
    every = _cells([jobs.config({**begun, **settings}) for settings in grid.cells], store, jobs)
    cells = list({cell.key: cell for cell in reversed(every)}.values())[::-1]
    labels = label_cells([cell.config.model_dump(mode="json") for cell in cells])
    names = dict(zip((cell.key for cell in cells), map(str, labels), strict=True))
    wanted = "failed" if failed else "missing"
    to_do = [cell for cell in cells if read_cell(store, cell.key, {}).status == wanted]
    shared = _named_apart(_shared_units(to_do, store), {id(cell.config): names[cell.key] for cell in to_do})
    maker = {made: unit for unit in shared for made in unit.makes}
    units: dict[str, Unit] = {}
    for cell in to_do:
        makers = [maker[key] for part in cell.parts if (key := part.identity.key_in(store)) in maker]
        # What a shared unit needs stands before it: its needs are earlier parts of the same cell.
        units.update({unit.key: unit for unit in makers})
        needs = frozenset(unit.key for unit in makers)
        name = names[cell.key]
        units[cell.key] = Unit(CELL, cell.key, CELL, name, (cell.config,), needs, cell.own, (cell.key,))
    for unit in units.values():
        for made in unit.makes:
            check_stage(stage_folder(store, unit.kind, made))
    return Worklist(
        name=grid.name,
        store=store,
        cells={cell.key: cell.config for cell in cells},
        units=tuple(units.values()),
        alone=sum((cell.alone for cell in cells), Work()),
        shared=_shared_work(cells),
        left=sum((unit.work for unit in units.values()), Work()),
        merged=_merged(every) if len(cells) < len(every) else (),
    )


def cell_identity(job: Job) -> Identity:
    """Everything that a cell's result depends on."""
    tests = tests_of(job)
    former = job.recipe.former(job) if job.recipe.former is not None and not tests else None
    content = {"recipe": job.recipe.name, "end": key_at_end(job, job.steps), **tests}
    return Identity(CELL, content, former)


@dataclass(frozen=True)
class _Cell:
    """A cell with what it shares; without its model."""

    key: str
    config: PruneConfig
    parts: tuple[Part, ...]
    own: Work  # beside what it shares

    @property
    def alone(self) -> Work:
        """Its work if it were run on its own."""
        return sum((work_of([part]) for part in self.parts), self.own)


def _cells(configs: Sequence[PruneConfig], store: Path, jobs: Jobs) -> list[_Cell]:
    """The cell of every combination, in their order; model by model, because only one is held at a time."""
    by_model: dict[str, list[int]] = {}
    for index, config in enumerate(configs):
        by_model.setdefault(loaded_key(config), []).append(index)
    found: dict[int, _Cell] = {}
    for indices in by_model.values():
        for index in indices:
            found[index] = _cell(jobs.job(configs[index]), store)
    return [cell for _, cell in sorted(found.items())]


def _merged(every: Sequence[_Cell]) -> tuple[str, ...]:
    """Combinations that differ in their settings and not in anything that a result depends on.

    A greater length where no row is longer is such a setting: whoever asked for it looks for its cell.
    """
    labels = label_cells([cell.config.model_dump(mode="json") for cell in every])
    names: dict[str, dict[str, None]] = {}
    for cell, label in zip(every, labels, strict=True):
        names.setdefault(cell.key, {})[str(label)] = None
    return tuple(
        f"One cell, as nothing that its result depends on differs: {'; '.join(alike)}."
        for alike in names.values()
        if len(alike) > 1
    )


def _cell(job: Job, store: Path) -> _Cell:
    parts = tuple(shared_parts(job))
    shared = {id(part.step) for part in parts}
    own = sum((step.work(job.rows) for step in job.steps if id(step) not in shared), Work())
    return _Cell(cell_identity(job).key_in(store), job.config, parts, own)


def _shared_units(cells: Sequence[_Cell], store: Path) -> list[Unit]:
    """What is missing of what cells share."""
    missing = [part for cell in cells for part in cell.parts if not part.identity.is_finished(store)]
    groups = group(missing)
    key_of: dict[str, str] = {}
    units = []
    for parts in groups:
        made = tuple(part.identity.key_in(store) for part in parts)
        first = parts[0]
        key = made[0] if made == (first.together,) else stage_key("together", {"of": made})
        key_of.update(dict.fromkeys((part.identity.key for part in parts), key))
        needs = frozenset(key_of[one.key] for one in first.needs if one.key in key_of)
        configs = tuple(part.config for part in parts)
        title = first.step.title
        kinds = f": {len(made)} kinds" if len(made) > 1 else ""
        name = f"{title} {configs[0].data.task or 'own files'}, seed {configs[0].seed}{kinds}"
        units.append(Unit(first.identity.kind, key, title, name, configs, needs, work_of(parts), made))
    return units


def _named_apart(units: list[Unit], cells: Mapping[int, str]) -> list[Unit]:
    """Units of which two have one name are called by the first cell that they are done for as well."""
    counts = Counter(unit.name for unit in units)
    found = []
    for unit in units:
        is_alone = counts[unit.name] == 1
        name = unit.name if is_alone else f"{unit.name}, for {cells[id(unit.configs[0])]}"
        found.append(replace(unit, name=name))
    return found


def _shared_work(cells: Sequence[_Cell]) -> Work:
    """The work of these cells from nothing, with every stage done once."""
    parts = group(part for cell in cells for part in cell.parts)
    return sum((work_of(part) for part in parts), sum((cell.own for cell in cells), Work()))
