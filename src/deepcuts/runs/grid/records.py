"""What a store holds of the cells of its grids: finished, failed, or missing."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from deepcuts.common.errors import FileFormatError, InputError, brief
from deepcuts.common.files import read_json, write_json
from deepcuts.common.store import stage_folder
from deepcuts.runs import run_folder
from deepcuts.runs.settings import former, with_former

#: What the store calls the stage that is one cell.
CELL: Final = "cell"
_GRIDS = "grids"
_FAILURE = "failure.json"
# What a key may be: a part of a folder's name, and never a way out of the store.
_KEY = re.compile(r"[0-9A-Za-z_-]{1,64}")

Status = Literal["done", "failed", "missing"]


@dataclass(frozen=True)
class CellRecord:
    """One cell, as the store knows it.

    Attributes:
        key: Digest of everything that it depends on.
        folder: Its folder in the store, a run folder where it is done.
        config: Its configuration, as in ``config.json`` of a run.
        status: Whether it is done, failed, or missing.
        failure: Of a failed one: ``error``, ``traceback`` and ``time``.
    """

    key: str
    folder: Path
    config: Mapping[str, Any]
    status: Status
    failure: Mapping[str, Any] | None = None

    @property
    def result(self) -> dict[str, Any]:
        """Its ``result.json``; it must be done."""
        found: dict[str, Any] = read_json(self.folder / run_folder.RESULT)
        return found

    @property
    def environment(self) -> dict[str, Any]:
        """What it was made with; it must be done."""
        found: dict[str, Any] = read_json(self.folder / run_folder.ENVIRONMENT)
        return found


def read_cell(store: Path, key: str, config: Mapping[str, Any]) -> CellRecord:
    """The cell of this key, whatever became of it."""
    folder = stage_folder(store, CELL, key)
    if (folder / run_folder.RESULT).is_file():
        return CellRecord(key, folder, config, "done")
    if (folder / _FAILURE).is_file():
        return CellRecord(key, folder, config, "failed", _failure(folder / _FAILURE))
    return CellRecord(key, folder, config, "missing")


def grid_names(store: Path) -> list[str]:
    """The grids that have been started in this store."""
    return sorted(path.stem for path in (store / _GRIDS).glob("*.json"))


def former_settings(store: Path) -> dict[str, Any]:
    """What the cells of a store were made with where its version knew of no other way; see `settings.former`.

    A store that was begun so goes on so, unless a grid's file says otherwise.
    """
    found: dict[str, Any] = {}
    for name in grid_names(store):
        for _, config in _manifest(store, name, []):
            found.update(former(config))
    return found


def read_cells(store: Path, grid: str | None = None, faults: list[str] | None = None) -> list[CellRecord]:
    """The cells of one grid, in the order of its file; or every cell in the store, and every run.

    Args:
        store: The store's folder.
        grid: Name of the grid; None takes all grids of the store, cells that no grid names, and finished
            runs of ``deepcuts prune`` whose folders lie in it.
        faults: Gets a sentence on each file that can't be read, or isn't followed out of the store. Without
            it, the first is an error, and so is a store without cells.

    Raises:
        InputError: There is no such folder, no such grid in it, or not a single cell.
        FileFormatError: A file can't be read.
    """
    if not store.is_dir():
        raise InputError("store", str(store), "it must be a folder of 'deepcuts grid', or one of run folders")
    names = grid_names(store)
    if grid is not None and grid not in names:
        raise InputError("grid", grid, f"the grids of {str(store)!r} are {', '.join(names) or 'none'}")
    found: list[str] = []
    planned: dict[str, Mapping[str, Any]] = {}
    for name in names if grid is None else [grid]:
        for key, config in _manifest(store, name, found):
            planned.setdefault(key, with_former(config))
    if grid is None:
        for path in sorted(store.glob(f"{CELL}-*/{run_folder.RESULT}")):
            key = path.parent.name.removeprefix(f"{CELL}-")
            if key not in planned:
                content = _checked(path.parent / run_folder.CONFIG, found)
                if content is not None:
                    planned[key] = with_former(content)
    cells = [read_cell(store, key, config) for key, config in planned.items()]
    if grid is None:
        cells += _runs(store)
    inside = [cell for cell in cells if _is_inside(store, cell.folder, found)]
    if faults is None:
        if found:
            raise FileFormatError(found[0])
        if not inside:
            allowed = "it must hold at least one cell of a grid, or a finished run"
            raise InputError("store", str(store), allowed)
    else:
        faults += found
    return inside


def _manifest(store: Path, name: str, faults: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    """Key and configuration of each cell that a grid wrote down; what is none goes to the faults."""
    path = store / _GRIDS / f"{name}.json"
    content = _checked(path, faults) if _is_inside(store, path, faults) else None
    if content is None:
        return []
    cells = content.get("cells")
    right = isinstance(cells, list) and all(
        isinstance(cell, dict)
        and isinstance(cell.get("key"), str)
        and _KEY.fullmatch(cell["key"])
        and isinstance(cell.get("config"), dict)
        for cell in cells
    )
    if not right:
        faults.append(f"{path}: is no grid's list of cells")
        return []
    assert isinstance(cells, list)
    return [(cell["key"], cell["config"]) for cell in cells]


def _checked(path: Path, faults: list[str]) -> dict[str, Any] | None:
    """What a file of JSON holds, if that is an object."""
    try:
        content = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        faults.append(f"{path}: can't be read ({brief(error)})")
        return None
    if not isinstance(content, dict):
        faults.append(f"{path}: is no object of JSON")
        return None
    return content


def _failure(path: Path) -> dict[str, Any]:
    faults: list[str] = []
    content = _checked(path, faults) or {"error": "; ".join(faults)}
    return {**content, "error": str(content.get("error", "it does not say why"))}


def _is_inside(store: Path, path: Path, faults: list[str]) -> bool:
    """Whether a path of a store, symbolic links followed, is still one of it."""
    if path.resolve().is_relative_to(store.resolve()):
        return True
    faults.append(f"{path}: is a symbolic link out of the store, which is not followed")
    return False


def _runs(store: Path) -> list[CellRecord]:
    """The finished runs of `deepcuts prune` whose folders lie in this one."""
    folders = [path.parent for path in sorted(store.glob(f"*/{run_folder.RESULT}"))]
    configs = {
        folder: run_folder.saved_config(folder, by_trainers=True)
        for folder in folders
        if not folder.name.startswith(f"{CELL}-")
    }
    return [
        CellRecord(folder.name, folder, config, "done")
        for folder, config in configs.items()
        if config is not None
    ]


def write_grid(store: Path, name: str, cells: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Write down which cells, key and configuration, a grid consists of."""
    listed = [{"key": key, "config": config} for key, config in cells]
    path = store / _GRIDS / f"{name}.json"
    faults: list[str] = []
    before = [key for key, _ in _manifest(store, name, faults)] if path.exists() else None
    if faults:  # it may be somebody else's
        raise FileFormatError(f"{faults[0]}; remove it, or give the grid another name")
    if before != [cell["key"] for cell in listed]:
        write_json(path, {"name": name, "cells": listed})


@dataclass(frozen=True)
class Failure:
    """Why a cell failed.

    Attributes:
        error: In a line or two.
        traceback: Where.
    """

    error: str
    traceback: str


def write_failure(store: Path, key: str, failure: Failure) -> None:
    """Write down that a cell failed, and why."""
    content = {
        **asdict(failure),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(stage_folder(store, CELL, key) / _FAILURE, content)


def forget_failure(store: Path, key: str) -> None:
    """Let a failed cell be tried again."""
    (stage_folder(store, CELL, key) / _FAILURE).unlink(missing_ok=True)
