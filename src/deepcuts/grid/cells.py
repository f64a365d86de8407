"""One cell of a grid: one cut of one model for one task, in a store that many cells share."""

from __future__ import annotations

from pathlib import Path

from deepcuts import run_folder
from deepcuts.environment import environment
from deepcuts.files import write_json
from deepcuts.grid.records import CELL
from deepcuts.pipeline import cut_and_retrain
from deepcuts.rewinding import rewind
from deepcuts.stages import Job, cut_identity, finetune, score_one
from deepcuts.store import Store


def run_cell(job: Job, store: Store, *, keep_model: bool = False) -> Path:
    """Cut, retrain and measure; the dense model and the scores are found in the store, or made.

    Args:
        job: The cell's configuration, with everything loaded.
        store: The store.
        keep_model: Whether the pruned model is saved beside masks and result.

    Returns:
        The cell's folder, a run folder. Nothing is done where it is finished already.
    """
    with store.stage(CELL, cut_identity(job)) as stage:
        if stage.record is None:
            if job.processes.is_first:
                write_json(stage.folder / run_folder.CONFIG, job.config.model_dump(mode="json"))
                write_json(stage.folder / run_folder.ENVIRONMENT, environment())
            job.reporter.line(job.title)
            rewind(job.model, job.start)  # θ0, whatever the job did before
            dense = finetune(job, store)
            scored = score_one(job, store, dense.key, job.request)
            cut_and_retrain(job, stage.folder, dense, scored, keep_model=keep_model)
            if job.processes.is_first:
                stage.finish({})
            job.processes.wait()
        return stage.folder
