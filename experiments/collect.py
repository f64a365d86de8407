"""What a grid found, as one JSON file: every cell's configuration, result, history and environment.

Example:  python experiments/collect.py runs/minilm --grid minilm -o docs/results/minilm/cells.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deepcuts.common.files import read_json
from deepcuts.runs import run_folder
from deepcuts.runs.grid.records import CellRecord, read_cells


def main(
    store: Annotated[Path, typer.Argument(help="A grid's store.")],
    grid: Annotated[str, typer.Option(help="Name of the grid.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file.")],
) -> None:
    """Collect the cells of a grid; those that are missing or failed are named."""
    cells = [_content(record) for record in read_cells(store, grid)]
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(cell, ensure_ascii=False) for cell in cells)  # a line a cell
    output.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _content(record: CellRecord) -> dict[str, Any]:
    config = dict(record.config)
    config["data"] = {**config["data"], "data": None}  # where it lay says nothing about it
    content: dict[str, Any] = {"key": record.key, "status": record.status, "config": config}
    if record.status == "failed":
        content["failure"] = record.failure
    if record.status == "done":
        result = record.result
        result["task"]["source"] = None
        result["kept"].pop("by_tensor")
        history = read_json(record.folder / run_folder.HISTORY)
        content |= {"result": result, "history": history, "environment": record.environment}
    return content


if __name__ == "__main__":
    typer.run(main)
