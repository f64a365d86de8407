"""``deepcuts grid``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepcuts.cli.command import refuse_given
from deepcuts.common.errors import InputError

if TYPE_CHECKING:
    from deepcuts.runs.grid.jobs import Jobs
    from deepcuts.runs.grid.schedule import Executor

_WHERE = "Where it runs"


def grid(
    file: Annotated[Path, typer.Argument(help="The grid's file (YAML).", show_default=False)],
    store: Annotated[
        Path | None,
        typer.Option("--store", "-o", help="Folder of all stages and cells (default: runs/NAME)."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder with the GLUE tasks; else the Hub.")] = None,
    model: Annotated[str | None, typer.Option(help="A model instead of the file's.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with models run.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done; run nothing.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run the cells that failed, and only those.")
    ] = False,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Save the pruned model of every cell.")
    ] = False,
    collect: Annotated[
        Path | None,
        typer.Option(
            help="File of results without weights: cells that it holds are done; those done here are added.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Processes on this machine, sharing its cores.", rich_help_panel=_WHERE)
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads a process (default: cores / jobs; Ray: 1).", rich_help_panel=_WHERE),
    ] = None,
    executor: Annotated[str, typer.Option(help="local or ray.", rich_help_panel=_WHERE)] = "local",
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster (default: auto).", rich_help_panel=_WHERE)
    ] = None,
    gpus: Annotated[float, typer.Option(help="GPUs a cell, on Ray.", rich_help_panel=_WHERE)] = 0.0,
) -> None:
    """Run every cell of a grid: models, tasks, strategies, budgets and seeds.

    Each dense model is fine-tuned once and scored once for all strategies; a cell costs its retraining.
    After an interruption the same command goes on where it stopped.

    Example:
      deepcuts grid experiments/minilm.yaml --data GLUE --jobs 2
    """
    from deepcuts.cli.common import say
    from deepcuts.cli.grid_table import Watcher, print_cells, print_work
    from deepcuts.common.files import check_output
    from deepcuts.common.limits import check_processes
    from deepcuts.common.progress import console as console_of
    from deepcuts.common.progress import quiet_libraries
    from deepcuts.runs.grid.file import read_grid

    if executor not in ("local", "ray"):
        raise InputError("executor", executor, "it must be local or ray")
    for name, value in {"jobs": jobs, "threads": threads}.items():
        if value is not None:
            check_processes(name, value)
    if not (gpus >= 0 and math.isfinite(gpus)):
        raise InputError("gpus", gpus, "it must be a finite number, 0 or more")
    if executor == "ray":
        refuse_given(["jobs"], "it is for --executor local; a cluster decides how many cells run at once")
    else:
        refuse_given(["gpus", "address"], "it is for --executor ray")
    found = read_grid(file, data=data, model=model, trust_remote_code=trust_remote_code or None)
    quiet_libraries()
    from deepcuts.common.progress import Reporter
    from deepcuts.runs.grid.collected import bring, read_collected
    from deepcuts.runs.grid.collected import collect as gathered
    from deepcuts.runs.grid.jobs import Jobs
    from deepcuts.runs.grid.schedule import run_worklist
    from deepcuts.runs.grid.worklist import make_worklist
    from deepcuts.runs.run_folder import MODEL

    if collect is not None and collect.exists():
        read_collected(collect)  # before any work
    folder = store if store is not None else Path("runs") / found.name
    check_output(folder, "store", folder=True)
    if collect is not None:
        check_output(collect, "collect")
    console = console_of(stderr=True)
    if collect is not None and collect.exists() and not dry_run:
        say(f"{bring(collect, folder)} cells are done by {collect}", err=True)
    loaded = Jobs(Reporter(console, bars=False) if jobs == 1 and executor == "local" else None)
    worklist = make_worklist(found, folder, loaded, failed=retry_failed)
    print_work(worklist)
    if dry_run:
        print_cells(worklist)
        return
    runner = _executor(executor, folder, loaded, jobs, threads, address, gpus, keep_models)
    try:
        with Watcher(worklist, console) as watcher:
            run_worklist(worklist, runner, watcher)
    finally:  # after an interruption too
        if collect is not None:
            gathered(worklist.records(), collect)
    print_cells(worklist)
    records = worklist.records()
    without = [one for one in records if one.status == "done" and not (one.folder / MODEL).is_dir()]
    if keep_models and without:
        say(f"{len(without)} cells were done before without --keep-models and have no model", err=True)
    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        assert record.failure is not None
        say(f"failed: {record.folder}: {record.failure['error']}", err=True)
    if failed:
        typer.echo(f"{len(failed)} cells failed; --retry-failed runs them again", err=True)
        raise typer.Exit(1)


def _executor(
    name: str,
    store: Path,
    loaded: Jobs,
    jobs: int,
    threads: int | None,
    address: str | None,
    gpus: float,
    keep_models: bool,
) -> Executor:
    if name == "ray":
        from deepcuts.runs.grid.ray_cluster import RayExecutor

        return RayExecutor(store, address, threads=threads or 1, gpus=gpus, keep_models=keep_models)
    from deepcuts.runs.grid.local import InlineExecutor, ProcessExecutor

    if jobs > 1:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return ProcessExecutor(store, jobs, threads or max(1, cores // jobs), keep_models=keep_models)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return InlineExecutor(store, loaded, keep_models=keep_models)
