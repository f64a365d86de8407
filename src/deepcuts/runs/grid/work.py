"""What a worker does with one unit of a grid: a shared step, or a cell, into the store."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from deepcuts.common.environment import environment
from deepcuts.common.errors import DeepcutsError, StageTakenError
from deepcuts.common.files import remove_leftovers, write_json
from deepcuts.common.store import Store
from deepcuts.runs import run_folder
from deepcuts.runs.grid.jobs import Jobs
from deepcuts.runs.grid.records import CELL, Failure
from deepcuts.runs.grid.worklist import Unit, cell_identity
from deepcuts.runs.job import Job
from deepcuts.runs.pipeline import carry_out
from deepcuts.runs.sharing import do_shared, shared_parts


@dataclass(frozen=True)
class Outcome:
    """What became of a unit.

    Attributes:
        seconds: Wall time.
        failure: Why it failed; None if it didn't.
        is_taken: Whether another grid works on it, so that nothing was done.
    """

    seconds: float
    failure: Failure | None = None
    is_taken: bool = False


def attempt(unit: Unit, store: Path, jobs: Jobs, *, keep_models: bool = False) -> Outcome:
    """Do a unit; whatever goes wrong with it is part of the outcome."""
    started = time.monotonic()
    try:
        with jobs.reporter.about(unit.name):
            do(unit, store, jobs, keep_models=keep_models)
    except StageTakenError:
        return Outcome(time.monotonic() - started, is_taken=True)
    # Anything: a bad cell, one that needs more memory than there is, or a bug must not end the others.
    except Exception as error:
        kind = "" if isinstance(error, DeepcutsError) else f"{type(error).__name__}: "
        failure = Failure(f"{kind}{error}", "".join(traceback.format_exception(error)))
        return Outcome(time.monotonic() - started, failure)
    return Outcome(time.monotonic() - started)


def do(unit: Unit, store: Path, jobs: Jobs, *, keep_models: bool = False) -> None:
    """Do a unit; what of it the store holds already is not done again.

    Args:
        unit: The unit.
        store: The store's folder.
        jobs: Where its model and data are loaded.
        keep_models: Whether pruned models are saved beside masks and results.

    Raises:
        StageTakenError: It is a cell that another grid works on.
        DeepcutsError: It can't be done.
    """
    job = jobs.job(unit.configs[0])
    stages = Store(store, job.processes)
    if unit.kind == CELL:
        run_cell(job, stages, keep_model=keep_models)
        return
    parts = {
        key: part
        for config in unit.configs
        for part in shared_parts(job.with_config(config))
        if (key := part.identity.key_in(store)) in unit.makes
    }
    do_shared(job, list(parts.values()), stages)


def run_cell(job: Job, store: Store, *, keep_model: bool = False) -> Path:
    """Carry out a cell's recipe; what it shares is found in the store, or made.

    Args:
        job: The cell's configuration, with everything loaded.
        store: The store.
        keep_model: Whether the pruned model is saved beside masks and result.

    Returns:
        The cell's folder, a run folder. Nothing is done where it is finished already.

    Raises:
        StageTakenError: Another grid works on it.
    """
    with store.stage(cell_identity(job), wait=False) as stage:
        if stage.record is None and run_folder.finished_result(stage.folder) is None:
            if job.processes.is_first:
                remove_leftovers(stage.folder)
                write_json(stage.folder / run_folder.CONFIG, job.config.model_dump(mode="json"))
                write_json(stage.folder / run_folder.ENVIRONMENT, environment())
            carry_out(job, stage.folder, store, keep_model=keep_model)
        if stage.record is None and job.processes.is_first:
            stage.finish({})
        job.processes.wait()
        return stage.folder
