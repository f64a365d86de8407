"""A Markdown table of run folders: the dense model, each strategy before and after retraining, by seed.

Example:  python experiments/table.py runs/stsb-0.147-*
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deepcuts.run_folder import RESULT


def main(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders of one task and density.")],
) -> None:
    """Print the table; every number in it stands in a run's result.json."""
    results: list[dict[str, Any]] = [json.loads((run / RESULT).read_text(encoding="utf-8")) for run in runs]
    seeds = sorted({result["seed"] for result in results})
    by_cell = {(result["strategy"], result["seed"]): result for result in results}
    first = results[0]
    names = list(first["dense"])
    primary = first["task"]["primary"]
    shown = [
        primary,
        *(name for name in names if name in ("accuracy", "spearman", "mse") and name != primary),
    ]
    header = ["", *(f"{name}, seed {seed}" for name in shown for seed in seeds)]
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join(["---"] * len(header)) + " |")
    print(_row("constant", [first["baseline"][name] for name in shown for _ in seeds]))
    dense = {seed: next(r for r in results if r["seed"] == seed) for seed in seeds}
    print(_row("dense", [dense[seed]["dense"][name] for name in shown for seed in seeds]))
    strategies = sorted(
        {result["strategy"] for result in results},
        key=lambda strategy: -max(r["retrained"][primary] for r in results if r["strategy"] == strategy),
    )
    for strategy in strategies:
        for phase, title in [("pruned", f"`{strategy}` pruned"), ("retrained", f"`{strategy}` retrained")]:
            cells = [by_cell.get((strategy, seed)) for seed in seeds]
            values = [cell[phase][name] if cell else None for name in shown for cell in cells]
            print(_row(title, values))


def _row(title: str, values: list[float | None]) -> str:
    return "| " + " | ".join([title, *("–" if value is None else f"{value:.3f}" for value in values)]) + " |"


if __name__ == "__main__":
    typer.run(main)
