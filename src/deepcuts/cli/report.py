"""``deepcuts report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    store: Annotated[
        Path, typer.Argument(help="A store, the file of one of its grids, or a folder of runs.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report.")],
    grid: Annotated[
        str | None, typer.Option(help="A grid of the store (default: every cell in it).", metavar="NAME")
    ] = None,
    reference: Annotated[
        str, typer.Option(help="Strategy that each other one is compared with.")
    ] = "LayerMagWeight",
    replicates: Annotated[int, typer.Option(help="Bootstrap replicates of an interval.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Report on a grid or on runs: one page with every figure and table, and both as files too.

    Cells that are missing or failed are shown as such, so a grid may be looked at while it runs.

    Example:  deepcuts report store --grid glue -o report
    """
    from deepcuts.cli.command import options_given
    from deepcuts.cli.common import reporter, say
    from deepcuts.common.errors import InputError
    from deepcuts.report import write_report

    if store.suffix == ".json":
        if grid is not None or store.parent.name != "grids":
            raise InputError("store", str(store), "it must be a store's folder, or its grids/NAME.json alone")
        store, grid = store.parent.parent, store.stem
    if "reference" in options_given():
        from deepcuts.runs.grid.records import read_cells
        from deepcuts.scoring.strategy import Strategy

        wanted = str(Strategy.parse(reference))
        found = sorted({str(record.config.get("strategy")) for record in read_cells(store, grid)})
        if wanted not in found:
            raise InputError("reference", reference, f"the strategies of these cells are {', '.join(found)}")
    page = write_report(
        store,
        output,
        grid=grid,
        reference=reference,
        replicates=replicates,
        seed=seed,
        progress=reporter().line,
    )
    say(f"Report: {page}")
