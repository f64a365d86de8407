"""All benchmarks: prints their tables, and writes them as JSON.

Example:  python -m benchmarks --output benchmarks/results/cpu.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.cutting import time_cutting
from benchmarks.growth import draw_growth, measure_growth
from benchmarks.job import measure_job, measure_start
from benchmarks.memory import measure_memory
from benchmarks.scoring import time_scoring
from benchmarks.timing import Timed
from benchmarks.training import time_training
from deepcuts.environment import environment

#: Shape, tokens → turns: fewer where a turn takes long.
SHAPES = {
    ("MiniLM", 16): 11,
    ("MiniLM", 32): 11,
    ("MiniLM", 128): 5,
    ("BERT-base", 16): 7,
    ("BERT-base", 32): 5,
    ("BERT-base", 128): 2,
}
PARTS = ("scoring", "cutting", "training", "memory", "growth", "job")


def main(
    output: Annotated[Path, typer.Option(help="JSON file; a picture of growth goes beside it.")],
    only: Annotated[list[str] | None, typer.Option(help=f"Parts: {', '.join(PARTS)}.")] = None,
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Fail where there is none.")] = False,
    data: Annotated[str | None, typer.Option(help="Folder with STS-B, for the whole job.")] = None,
) -> None:
    """Measure, print and write."""
    if require_gpu and not torch.cuda.is_available():
        raise typer.BadParameter("there is no GPU that torch can use", param_hint="--require-gpu")
    chosen = only or list(PARTS)
    output.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"environment": environment()}
    if "scoring" in chosen:
        timed = {
            f"{shape}, {tokens} tokens": time_scoring(shape, tokens, turns)
            for (shape, tokens), turns in SHAPES.items()
        }
        found["scoring"] = _show("A scored batch of 16 / a bare forward and backward pass", timed)
    if "cutting" in chosen:
        timed = {"85.6 M scores": time_cutting(3)}
        found["cutting"] = _show("Selection / one numpy.partition of the same values", timed)
    if "training" in chosen:
        timed = {
            f"{shape}, 32 tokens": time_training(shape, 32, turns)
            for shape, turns in {"MiniLM": 15, "BERT-base": 5}.items()
        }
        found["training"] = _show("A training step / a dense one", timed)
    if "memory" in chosen:
        found["memory"] = {shape: measure_memory(shape, 32) for shape in ("MiniLM", "BERT-base")}
        _show_memory(found["memory"])
    if "growth" in chosen:
        found["growth"] = measure_growth([2, 6, 12, 18, 24], [10, 100, 300, 1000])
        draw_growth(found["growth"], output.with_name("growth.svg"))
    if "job" in chosen:
        task = {"task": "stsb", "data": data} if data else {}
        found["job"] = {"start": measure_start(), **measure_job(**task)}
        Console().print(found["job"])
    output.write_text(json.dumps(found, indent=2) + "\n")


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


def _show_memory(found: dict[str, dict[str, dict[str, float]]]) -> None:
    where = "the GPU's allocator" if torch.cuda.is_available() else "resident memory of the process"
    table = Table(title=f"Peak of {where}", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    for shape in found:
        table.add_column(f"{shape}, MiB", justify="right")
        table.add_column("above the bare pass, bytes a prunable weight", justify="right")
    for case in next(iter(found.values())):
        cells = [found[shape][case] for shape in found]
        table.add_row(
            case,
            *(
                f(c)
                for c in cells
                for f in (
                    lambda c: f"{c['bytes'] / 2**20:,.0f}",
                    lambda c: f"{c['above_bare_per_weight']:.1f}",
                )
            ),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
