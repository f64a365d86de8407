"""Studies: cells that may stand in one figure, since they differ in strategy, budget and seed alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from deepcuts.report.cells import Cell, seeds_of, strategy_order
from deepcuts.runs.grid.labels import setting_words
from deepcuts.runs.settings import settings
from deepcuts.tasks import TaskKind, kind_named

Row = dict[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Study:
    """The cells of one model, task and setting.

    Attributes:
        model: Short name of the model.
        task: Short name of the task.
        setting: Everything in which the settings of this model and task differ, defaults too; may be empty.
        usual: Cells whose options of scoring are the usual ones; figures of performance hold these.
        variants: Cells with another value of at least one option of scoring.
        usual_options: Option → its usual value, the most common one of this model, task and setting.
    """

    model: str
    task: str
    setting: str
    usual: Sequence[Cell]
    variants: Sequence[Cell]
    usual_options: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Model, task and setting for people."""
        return f"{self.model} on {self.task}" + (f", {self.setting}" if self.setting else "")

    @property
    def name(self) -> str:
        """Model, task and setting for files."""
        words = "".join(
            sign if sign.isalnum() or sign == "." else " " for sign in self.title.replace(" on ", " ")
        )
        return "-".join(words.lower().split())

    @property
    def about(self) -> Row:
        """Model, task and setting as columns of a file."""
        return {"model": self.model, "task": self.task, "setting": self.setting}

    @property
    def done(self) -> list[Cell]:
        """The usual cells that are done."""
        return [cell for cell in self.usual if cell.result is not None]

    @property
    def any_done(self) -> Cell:
        """One cell that is done, for facts that all share."""
        return next(cell for cell in (*self.usual, *self.variants) if cell.result is not None)

    @property
    def has_results(self) -> bool:
        """Whether a single cell is done."""
        return any(cell.result is not None for cell in (*self.usual, *self.variants))

    @property
    def kind(self) -> TaskKind:
        """The task's kind."""
        return kind_named(self.any_done.found["task"]["kind"])

    @property
    def primary(self) -> str:
        """The measure that the task is judged by."""
        return str(self.any_done.found["task"]["primary"])

    @property
    def measures(self) -> list[str]:
        """The measures that are drawn, the primary one first."""
        known = self.any_done.found["retrained"]
        every = self.kind.measures
        drawn = [name for name, measure in every.items() if measure.is_drawn and name in known]
        drawn.sort(key=lambda name: every[name].lower_is_better)  # errors last
        return [self.primary, *(name for name in drawn if name != self.primary)]

    @property
    def strategies(self) -> list[str]:
        """Strategies of the usual cells that are done, in the order in which they are shown."""
        return sorted({cell.strategy for cell in self.done}, key=strategy_order)

    @property
    def densities(self) -> list[float]:
        """Densities of the usual cells that are done, ascending."""
        return sorted({cell.density for cell in self.done})

    def at(self, strategy: str, density: float) -> list[Cell]:
        """The usual cells of one strategy and density that are done, by seed."""
        cells = [cell for cell in self.done if (cell.strategy, cell.density) == (strategy, density)]
        return sorted(cells, key=lambda cell: cell.seed)


def find_studies(cells: Iterable[Cell]) -> list[Study]:
    """Sort cells into studies.

    Cells go together if model, task, data and setting are equal: all but strategy, budget, seed, and the
    options of scoring. The usual value of such an option is the one that most cells reading it have, and of
    equally common ones the default of the method.

    Returns:
        By model, then task, then the number of cells, the largest first.
    """
    found = []
    by_task = _group(cells, lambda cell: (cell.model, cell.task, _data(cell)))
    for (model, task, _), of_task in sorted(by_task.items(), key=lambda item: item[0]):
        by_setting = _group(of_task, lambda cell: json.dumps(cell.setting, sort_keys=True))
        ordered = sorted(by_setting.values(), key=lambda group: -len(group))
        for group in ordered:
            usual = _usual_options(group)
            variant = [any(cell.options[name] != usual[name] for name in cell.options) for cell in group]
            found.append(
                Study(
                    model,
                    task,
                    _stated(group[0].setting, [other[0].setting for other in ordered]),
                    [cell for cell, odd in zip(group, variant, strict=True) if not odd],
                    [cell for cell, odd in zip(group, variant, strict=True) if odd],
                    usual,
                )
            )
    return found


def missing_of(cells: Sequence[Cell]) -> dict[str, list[int]]:
    """Status → seeds of the cells that aren't done."""
    statuses = ("missing", "failed")
    found = {
        status: seeds_of([cell for cell in cells if cell.record.status == status]) for status in statuses
    }
    return {status: seeds for status, seeds in found.items() if seeds}


def _group(things: Iterable[_T], key: Callable[[_T], Hashable]) -> dict[Any, list[_T]]:
    found: dict[Any, list[_T]] = {}
    for thing in things:
        found.setdefault(key(thing), []).append(thing)
    return found


def _data(cell: Cell) -> str:
    """What tells data apart where two tasks share a name: the configuration, which missing cells have too.

    What is not given is left out, as cells are without it that are older than an option.
    """
    given = {name: value for name, value in cell.record.config["data"].items() if value is not None}
    return json.dumps(given, sort_keys=True)


def _usual_options(cells: Sequence[Cell]) -> dict[str, Any]:
    counts: dict[str, Counter[Any]] = {}
    for cell in cells:
        for name, value in cell.options.items():
            counts.setdefault(name, Counter())[value] += 1
    defaults = {name: option.default for name, option in settings().items()}
    return {
        # sorted: of several as frequent ones, none of them the default, always the same
        name: max(sorted(count, key=str), key=lambda value: (count[value], value == defaults[name]))
        for name, count in counts.items()
    }


def _stated(setting: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> str:
    """In words, what of a setting is not the same in all; an option that is younger was at its default."""
    defaults = {name: option.default for name, option in settings().items() if option.default is not ...}
    whole = [{**defaults, **one} for one in every]
    names = list(dict.fromkeys(name for one in every for name in one))
    varied = [name for name in names if len({json.dumps(one.get(name)) for one in whole}) > 1]
    mine = {**defaults, **setting}
    return ", ".join(setting_words(name.replace("_", " "), mine.get(name)) for name in varied)
