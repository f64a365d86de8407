"""A tiny grid: its file, and what running it gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from runs import config, without_times

from deepcuts.runs.grid.file import read_grid
from deepcuts.runs.grid.jobs import Jobs
from deepcuts.runs.grid.local import InlineExecutor
from deepcuts.runs.grid.schedule import Progress, run_worklist
from deepcuts.runs.grid.worklist import Worklist, make_worklist

GRIDS: list[dict[str, Any]] = [
    {"strategy": ["LayerGradCAMShift", "GlobalMagWeight"], "density": [0.3, 0.5], "seed": 0},
    {"strategy": "LayerGradCAMShift", "density": 0.3, "shift": 100, "seed": 1},
]


def write_grid_file(folder: Path, grids: list[dict[str, Any]] | None = None, **defaults: Any) -> Path:
    """Write a grid of one epoch each on the tiny model and task in the folder, both made where missing."""
    made = config(folder)
    content = {
        "name": "tiny",
        "defaults": {
            "model": made.model,
            **made.model_dump(mode="json", include={"data"}, exclude_none=True)["data"],
            "finetune_epochs": 1,
            "retrain_epochs": 1,
            "learning_rate": 1e-2,
            "batch_size": 8,
            "score_batch_size": 4,
            "paths": 2,
            "select_on": "dev",
            **defaults,
        },
        "grids": GRIDS if grids is None else grids,
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def worklist_of(path: Path, store: Path, **given: Any) -> Worklist:
    return make_worklist(read_grid(path), store, Jobs(), **given)


def run_inline(path: Path, store: Path, **given: Any) -> Progress:
    worklist = worklist_of(path, store, **given)
    return run_worklist(worklist, InlineExecutor(store, Jobs()))


def results(store: Path) -> dict[str, Any]:
    """What each finished cell found, and the bytes of its masks, by key."""
    found = {}
    for path in store.glob("cell-*/result.json"):
        result = without_times(json.loads(path.read_text()))
        found[path.parent.name] = result, (path.parent / "masks.safetensors").read_bytes()
    return found
