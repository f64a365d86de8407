"""All benchmarks: prints their tables, and writes them as JSON.

Example:  python -m benchmarks --output benchmarks/results/cpu.json
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.agreement import random_model, real_model
from benchmarks.cutting import time_cutting
from benchmarks.goals import goals
from benchmarks.growth import draw_growth, measure_growth
from benchmarks.job import measure_job, measure_start
from benchmarks.memory import measure_memory
from benchmarks.parallel import measure_parallel
from benchmarks.scoring import plan, time_scoring
from benchmarks.timing import Timed
from benchmarks.training import time_training
from deepcuts.common.environment import environment

PARTS = ("scoring", "agreement", "cutting", "training", "memory", "growth", "job")


def main(
    output: Annotated[Path, typer.Option(help="JSON file; a picture of growth goes beside it.")],
    only: Annotated[list[str] | None, typer.Option(help=f"Parts: {', '.join(PARTS)}.")] = None,
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Fail where there is none.")] = False,
    data: Annotated[str | None, typer.Option(help="Folder with STS-B, for the whole job.")] = None,
) -> None:
    """Measure, print and write."""
    if require_gpu and not torch.cuda.is_available():
        raise typer.BadParameter("there is no GPU that torch can use", param_hint="--require-gpu")
    if unknown := sorted(set(only or ()) - set(PARTS)):
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(PARTS)}", param_hint="--only")
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "scoring": _scoring,
        "agreement": _agreement,
        "cutting": _cutting,
        "training": _training,
        "memory": _memory,
        "growth": lambda: _growth(output.with_name(f"{output.stem}-growth.svg")),
        "job": lambda: _job(data),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    found = {"environment": environment(), "seconds": {}, **(_before(output) if only else {})}
    for part in [name for name in PARTS if name in (only or PARTS)]:
        started = time.perf_counter()
        found[part] = measures[part]()
        found["seconds"][part] = time.perf_counter() - started
        output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")  # what is done is kept
    _show_goals(found)
    Console().print(", ".join(f"{name} {value:.0f} s" for name, value in found["seconds"].items()))


def _before(output: Path) -> dict[str, Any]:
    """What is there already, so that parts can be measured again; nothing if it was made otherwise."""
    if not output.is_file():
        return {}
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found if found["environment"] == environment() else {}


def _scoring() -> dict[str, Any]:
    timed = {
        f"{shape}, {tokens} tokens": time_scoring(shape, tokens, turns, cases)
        for (shape, tokens), (turns, cases) in plan().items()
    }
    return _show("A scored batch of 16 / a bare forward and backward pass", timed)


def _agreement() -> dict[str, Any]:
    found = {
        "MiniLM, pretrained, on minimal pairs": real_model(),
        "BERT-base, random, 16 tokens": random_model("BERT-base", 16, 2),
    }
    Console().print("bf16 and torch.compile beside float32:", found)
    return found


def _cutting() -> dict[str, Any]:
    return _show("Selection / one numpy.partition of the same values", {"85.6 M scores": time_cutting(5)})


def _training() -> dict[str, Any]:
    more = 5 if torch.cuda.is_available() else 1
    timed = {
        f"{shape}, 32 tokens": time_training(shape, 32, turns * more)
        for shape, turns in {"MiniLM": 7, "BERT-base": 3}.items()
    }
    return _show("A training step / a dense one", timed)


def _memory() -> dict[str, Any]:
    found = measure_memory("BERT-base", 32)
    where = "the GPU's allocator" if torch.cuda.is_available() else "resident memory of the process"
    table = Table(title=f"BERT-base: peak of {where}", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("", "MiB", "bytes a prunable weight, beyond the first of its kind"):
        table.add_column(column, justify="right" if column else "left")
    for part, cases in found.items():
        for case, one in cases.items():
            table.add_row(f"{part}: {case}", f"{one['bytes'] / 2**20:,.0f}", f"{one['per_weight']:.1f}")
    Console(width=120).print(table)
    return {"shape": "BERT-base, 32 tokens", **found}


def _growth(picture: Path) -> dict[str, Any]:
    found = {
        **measure_growth([2, 6, 12, 18, 24], [10, 100, 300, 1000]),
        "parallel": measure_parallel(),
    }
    draw_growth(found, picture)
    Console().print("Growth:", found)
    return found


def _job(data: str | None) -> dict[str, Any]:
    task = {"task": "stsb", "data": data} if data else {}
    what = "STS-B" if data else "minimal pairs, the task of the demo"
    found = {"what": f"MiniLM on {what}", "start": measure_start(), **measure_job(**task)}
    Console().print("The whole job:", found)
    return found


def _show(title: str, timed: dict[str, dict[str, Timed]]) -> dict[str, dict[str, dict[str, Any]]]:
    table = Table(title=f"{title}: median (least–greatest)", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    for column in timed:
        table.add_column(column, justify="right")
    rows = dict.fromkeys(name for column in timed.values() for name in column)
    for name in rows:
        table.add_row(name, *(str(column.get(name, "–")) for column in timed.values()))
    Console(width=max(100, 40 + 24 * len(timed))).print(table)
    return {column: {name: one.as_json() for name, one in rows.items()} for column, rows in timed.items()}


def _show_goals(found: Mapping[str, Any]) -> None:
    table = Table(title="Goals", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("", "goal", "measured", ""):
        table.add_column(column, justify="right" if column else "left")
    for goal in goals(found, torch.cuda.is_available()):
        sign = "≥" if goal.at_least else "≤"
        met = "met" if goal.is_met else "not met"
        table.add_row(goal.what, f"{sign} {goal.limit:g} {goal.unit}", f"{goal.value:.3f} {goal.unit}", met)
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
