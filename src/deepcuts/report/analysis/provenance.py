"""What was run: models, data, settings, versions, machines, and the cells that are missing or failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.cells import Cell, seeds_of


def model_rows(cells: Sequence[Cell]) -> list[Row]:
    """The models that were cut; their start differs by seed in the untrained head alone."""
    rows: dict[tuple[str, str, int], Row] = {}
    for cell in _done(cells):
        model = cell.found["model"]
        key = (cell.model, cell.task, cell.seed)
        rows[key] = {
            "model": cell.model,
            "class": model["class"],
            "task": cell.task,
            "seed": str(cell.seed),
            "parameters": model["parameters"],
            "prunable": model["prunable"],
            "digest of the start": model["start_digest"],
        }
    return [rows[key] for key in sorted(rows)]


def data_rows(cells: Sequence[Cell]) -> list[Row]:
    """The data of each task."""
    rows: dict[str, Row] = {}
    for cell in _done(cells):
        task = cell.found["task"]
        source = str(task["source"])
        rows[f"{cell.task} {task['digest']}"] = {
            "task": cell.task,
            "kind": task["kind"],
            "source": Path(source).name if Path(source).is_absolute() else source,
            "train rows": task["train_rows"],
            "dev rows": task["dev_rows"],
            **({"test rows": task["test_rows"]} if "test_rows" in task else {}),
            "digest": task["digest"],
        }
    return [rows[key] for key in sorted(rows)]


def environment_rows(cells: Sequence[Cell]) -> list[Row]:
    """Each distinct environment, with the number of cells that were made in it."""
    counts: Counter[str] = Counter(
        json.dumps(_flat_environment(cell.environment or {})) for cell in _done(cells)
    )
    return [{"cells made so": count, **json.loads(text)} for text, count in sorted(counts.items())]


def setting_rows(studies: Sequence[Study]) -> list[Row]:
    """The setting of each study: training plans, rewind, usual options of scoring."""
    rows = []
    for study in studies:
        cell = (*study.usual, *study.variants)[0]
        setting = {**cell.setting, **study.usual_options}
        rows.append(
            {"study": study.title, **{name.replace("_", " "): _text(v) for name, v in setting.items()}}
        )
    return rows


def failed_rows(cells: Sequence[Cell]) -> list[Row]:
    """Cells that failed, with the first line of the error."""
    return [
        {
            "cell": f"{cell.model} on {cell.task}, {cell.strategy}, {cell.budget}, seed {cell.seed}",
            "error": str((cell.record.failure or {}).get("error", "")).partition("\n")[0][:300],
            "time": (cell.record.failure or {}).get("time"),
        }
        for cell in cells
        if cell.record.status == "failed"
    ]


def missing_rows(cells: Sequence[Cell]) -> list[Row]:
    """Cells that have not been run, by strategy and budget."""
    groups: dict[tuple[str, str, str, str], list[Cell]] = {}
    for cell in cells:
        if cell.record.status == "missing":
            groups.setdefault((cell.model, cell.task, cell.strategy, cell.budget), []).append(cell)
    return [
        {
            "model": model,
            "task": task,
            "strategy": strategy,
            "budget": budget,
            "seeds": ", ".join(map(str, seeds_of(found))),
        }
        for (model, task, strategy, budget), found in groups.items()
    ]


def cell_rows(cells: Sequence[Cell]) -> list[Row]:
    """Every cell, for a file."""
    return [
        {
            "cell": cell.record.key,
            "status": cell.record.status,
            "model": cell.model,
            "task": cell.task,
            "strategy": cell.strategy,
            "budget": cell.budget,
            "density": None if cell.result is None else cell.density,
            "seed": cell.seed,
            "options": json.dumps(dict(cell.options), sort_keys=True),
            "setting": json.dumps(dict(cell.setting), sort_keys=True),
            "commit": (cell.environment or {}).get("commit"),
            "dirty": (cell.environment or {}).get("dirty"),
        }
        for cell in cells
    ]


def _done(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.result is not None]


def _flat_environment(environment: Mapping[str, Any]) -> Row:
    """An environment as columns; a commit with uncommitted changes says so."""
    commit = environment.get("commit")
    return {
        "deepcuts": environment.get("deepcuts"),
        "commit": None if commit is None else commit[:12] + (" (dirty)" if environment.get("dirty") else ""),
        "processor": environment.get("processor"),
        "device": environment.get("device"),
        "threads": str(environment.get("threads")),
        "processes": str(environment.get("processes")),
        "python": environment.get("python"),
        **environment.get("packages", {}),
        "plugins": ", ".join(
            f"{Path(name).name} {version}" for name, version in environment.get("plugins", {}).items()
        ),
        "platform": environment.get("platform"),
    }


def _text(value: Any) -> str:
    return "none" if value is None else json.dumps(value) if isinstance(value, (list, tuple)) else str(value)
