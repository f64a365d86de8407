"""Reading the cells of a store, whatever state it is in: what can't be read is said, and left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepcuts.common.errors import DeepcutsError
from deepcuts.report.cells import Cell, load_cell
from deepcuts.runs.grid.records import CellRecord, read_cells
from deepcuts.runs.run_folder import is_by_trainer
from deepcuts.runs.settings import BUDGETS, settings
from deepcuts.scoring.strategy import Strategy
from deepcuts.tasks import kind_named

#: Parts of a result that are measures, each by its name.
_MEASURED = ("baseline", "dense", "pruned", "retrained")
_TESTED = ("baseline", "dense", "retrained")


def load_cells(store: Path, grid: str | None) -> tuple[list[Cell], list[str]]:
    """The cells of a store, and a sentence on everything of it that can't be read.

    A cell whose result can't be used counts as failed, with the reason for an error.

    Args:
        store: The store.
        grid: Name of one of its grids; None for everything in it.

    Raises:
        InputError: There is no such store or grid.
    """
    faults: list[str] = []
    found = []
    for record in read_cells(store, grid, faults):
        if is_by_trainer(record.config):
            faults.append(f"{record.folder}: a run by a Trainer says nothing of single rows to report on")
            continue
        fault = _config_fault(record.config)
        if fault is not None:
            faults.append(f"{record.folder}: its configuration {fault}")
            continue
        try:
            cell = load_cell(record)
            fault = None if cell.result is None else result_fault(cell.result)
        except DeepcutsError as error:
            fault = str(error)
        if fault is not None:
            faults.append(f"{record.folder}: {fault}")
            cell = load_cell(_failed(record, fault))
        found.append(replace(cell, environment=_plain(cell.environment)))
    return found, faults


def result_fault(result: Mapping[str, Any]) -> str | None:
    """Why a report can't be made of a result, as the end of a sentence; None if it can."""
    model, task, kept = (result.get(name) for name in ("model", "task", "kept"))
    if not isinstance(model, Mapping) or not isinstance(task, Mapping) or not isinstance(kept, Mapping):
        return "its result lacks what was cut, how much, or for which task"
    names = (task.get("name"), task.get("kind"), task.get("primary"), result.get("strategy"))
    if not all(isinstance(name, str) for name in names):
        return "its result does not name its task, kind, measure or strategy"
    try:
        known = kind_named(str(task["kind"])).measures
        Strategy.parse(str(result["strategy"]))
    except DeepcutsError as error:
        return f"its result is of what is not known here ({error})"
    if not all(_is_number(kept.get(name)) for name in ("density", "compression")) or not kept["density"] > 0:
        return "its result does not say how much was kept"
    primary = str(task["primary"])
    for part in _MEASURED:
        measures = result.get(part)
        if not isinstance(measures, Mapping) or not all(map(_is_number, measures.values())):
            return f"its result holds no measures as {part!r}"
        if primary not in measures or primary not in known:
            return f"its result lacks the measure {primary!r} as {part!r}"
    test = result.get("test", {})
    if not isinstance(test, Mapping) or (test and not _is_number(test.get("rows"))):
        return "its result holds no measures as 'test'"
    for part in _TESTED if test else ():
        measures = test.get(part)
        if not isinstance(measures, Mapping) or not _is_number(measures.get(primary)):
            return f"its result lacks the measure {primary!r} as {part!r} of the test rows"
    for part, needed in {"seconds": (), "scoring": ("batches", "passes")}.items():
        content = result.get(part)
        if not isinstance(content, Mapping) or not all(_is_number(content.get(name)) for name in needed):
            return f"its result lacks {part!r}"
    if not all(map(_is_number, result["seconds"].values())):
        return "its result holds no seconds"
    return None


def _config_fault(config: Mapping[str, Any]) -> str | None:
    data = config.get("data")
    if not isinstance(data, Mapping) or not any(
        isinstance(data.get(name), str) for name in ("task", "train")
    ):
        return "names no task"
    if not isinstance(config.get("model"), str) or not isinstance(config.get("strategy"), str):
        return "names no model or strategy"
    seed = config.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        return "has no seed"
    if not any(_is_number(config.get(name)) for name in BUDGETS):
        return "has no budget"
    plain = {name for name, option in settings().items() if option.count == 1}
    odd = [name for name, value in config.items() if name in plain and isinstance(value, list | dict)]
    if odd:
        return f"has several values where {odd[0]!r} is one"
    try:
        Strategy.parse(config["strategy"])
    except DeepcutsError as error:
        return f"is of what is not known here ({error})"
    return None


def _failed(record: CellRecord, fault: str) -> CellRecord:
    return replace(record, status="failed", failure={"error": fault, "time": None})


def _plain(environment: Any) -> Mapping[str, Any] | None:
    """An environment whose parts have the types that tables take; the others say nothing."""
    if not isinstance(environment, Mapping):
        return None if environment is None else {}
    parts = {"packages": dict, "plugins": dict, "commit": str}
    return {
        name: value
        for name, value in environment.items()
        if isinstance(value, parts.get(name, str | int | float | bool | None)) or value is None
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
