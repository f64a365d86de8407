"""Cells without their weights, as one file: what survives of a store, and can be gone on with elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deepcuts.common.errors import InputError
from deepcuts.common.files import read_json, write_atomically, write_json
from deepcuts.common.store import stage_folder
from deepcuts.runs import run_folder
from deepcuts.runs.grid.records import CELL, CellRecord

#: What a done cell's record holds of its files: file → its name in the record.
_FILES = {
    run_folder.CONFIG: "config",
    run_folder.HISTORY: "history",
    run_folder.ENVIRONMENT: "environment",
    run_folder.RESULT: "result",  # last: with it a cell counts as done
}


def collect(records: Iterable[CellRecord], path: Path) -> int:
    """Write what cells found, a line each, beside those that the file holds already.

    Args:
        records: The cells; those that aren't done are left out.
        path: A JSON file; made where it is missing.

    Returns:
        How many cells the file holds now.
    """
    found = {cell["key"]: cell for cell in read_collected(path)} if path.exists() else {}
    found.update({record.key: _content(record) for record in records if record.status == "done"})
    lines = ",\n".join(json.dumps(cell, ensure_ascii=False) for cell in found.values())

    def write(part: Path) -> None:
        part.write_text(f"[\n{lines}\n]\n", encoding="utf-8")

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)
    return len(found)


def read_collected(path: Path) -> list[dict[str, Any]]:
    """The cells that a file holds.

    Raises:
        InputError: It is none that `collect` has written.
    """
    wrong = InputError("collect", str(path), "it must be a file of cells that 'deepcuts grid' has written")
    try:
        content = read_json(path)
    except (OSError, ValueError):
        raise wrong from None
    names = {"key", *_FILES.values()}
    if not isinstance(content, list) or not all(
        isinstance(cell, dict)
        and names <= cell.keys()
        and isinstance(cell["key"], str)
        and cell["key"].isalnum()
        and all(isinstance(cell[name], dict) for name in _FILES.values())
        for cell in content
    ):
        raise wrong
    return content


def bring(path: Path, store: Path) -> int:
    """Put the cells of a file into a store, where they count as done; those that it holds stay as they are.

    Returns:
        How many were missing in the store.
    """
    count = 0
    for cell in read_collected(path):
        folder = stage_folder(store, CELL, cell["key"])
        if (folder / run_folder.RESULT).exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for file, name in _FILES.items():
            write_json(folder / file, cell[name])
        count += 1
    return count


def _content(record: CellRecord) -> dict[str, Any]:
    """A done cell's files, without where its data lay, which says nothing about it."""
    files = {name: read_json(record.folder / file) for file, name in _FILES.items()}
    files["config"]["data"] = {**files["config"]["data"], "data": None}
    files["result"]["task"]["source"] = None
    return {"key": record.key, **files}
