"""A run from start to end: a pretrained model and a task in; a pruned, verified, measured model out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from deepcuts.common.files import check_output
from deepcuts.common.progress import Reporter
from deepcuts.common.store import Store, check_stage, stage_folder
from deepcuts.runs import run_folder
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.inputs import check_inputs
from deepcuts.runs.job import Job
from deepcuts.runs.planned import Planned
from deepcuts.runs.plans import memory_of
from deepcuts.runs.preparing import prepare
from deepcuts.runs.result import history_of, result_of
from deepcuts.runs.run_folder import open_run
from deepcuts.runs.sharing import do_shared, group, shared_parts
from deepcuts.runs.steps import Run, do_steps
from deepcuts.runs.steps.workpiece import Tracking, Workpiece
from deepcuts.tasks import TaskData
from deepcuts.training.arguments import check_report_to


def prune(
    job: Job,
    folder: Path,
    *,
    shared: Path | None = None,
    overwrite: bool = False,
    keep_scores: bool = False,
    report_to: Sequence[str] = (),
) -> dict[str, Any]:
    """Carry out the recipe of a job in a run folder; goes on where it stopped.

    Args:
        job: What `deepcuts.runs.preparing.prepare` loaded; its model ends as the pruned one.
        folder: The run folder.
        shared: Folder for what other runs may reuse, such as the fine-tuned model and its scores; None keeps
            it in the run folder until the run is finished.
        overwrite: Whether a run that is in the folder is deleted first.
        keep_scores: Whether the scores are saved in the run folder.
        report_to: Experiment trackers that Transformers knows, such as ``"tensorboard"``.

    Returns:
        The result, as it stands in ``result.json``.

    Raises:
        InputError: There is no such experiment tracker here.
        RunFolderError: The folder holds something else than this run, or its result is of other inputs.
        DivergedError: A training's loss became NaN or infinite.
        InvariantError: A cut weight is not 0 where it must be, or a rewind was not exact.
    """
    check_report_to(report_to)
    if shared is not None:
        check_output(shared, "shared", folder=True)
        for part in shared_parts(job):
            check_stage(stage_folder(shared, part.identity.kind, part.identity.key_in(shared)))
    with open_run(folder, job.config, job.processes, overwrite=overwrite):
        own = Store(folder / run_folder.WORK, job.processes)
        if (finished := run_folder.finished_result(folder)) is not None:
            check_inputs(folder, job, keep_scores=keep_scores)
            job.reporter.line(f"{folder}: finished already; nothing was done again")
            own.remove()
            return finished
        for word, line in job.described:
            job.reporter.line(f"{word.strip()}: {line}")
        for note in job.notes:
            job.reporter.line(f"note: {note}")
        job.reporter.line(f"memory for scoring: {memory_of(job)}")
        tracking = Tracking(tuple(report_to), folder / run_folder.LOGS)
        store = own if shared is None else Store(shared, job.processes)
        return carry_out(job, folder, store, keep_scores=keep_scores, tracking=tracking)


def carry_out(
    job: Planned,
    folder: Path,
    shared: Store,
    *,
    keep_scores: bool = False,
    keep_model: bool = True,
    tracking: Tracking | None = None,
) -> dict[str, Any]:
    """`prune` in a folder that this process has for itself.

    Args:
        job: The job.
        folder: The run folder.
        shared: Where what other runs may reuse is found, or goes.
        keep_scores: Whether the scores are saved in the run folder.
        keep_model: Whether the pruned model is; masks and result always are.
        tracking: Where trainings are logged.

    Returns:
        The result, as it stands in ``result.json``.
    """
    job.reporter.line(job.title)
    own = Store(folder / run_folder.WORK, job.processes)
    run = Run(cast(Workpiece, job), shared, own, folder, tracking, keep_scores, keep_model)
    do_steps(run, job.steps)
    result = result_of(job, run)
    run_folder.finish(folder, job.processes, result, history_of(run))
    own.remove()
    return result


def prune_each(
    configs: Mapping[Path, PruneConfig], data: TaskData, shared: Path, reporter: Reporter | None = None
) -> dict[Path, dict[str, Any]]:
    """Run several cuts of one model; what they share is done once, all scores in one sweep.

    Args:
        configs: Run folder → configuration; they agree in what is loaded for them.
        data: The task that they name, loaded.
        shared: Folder for what they share.
        reporter: Where progress is shown.

    Returns:
        Run folder → result, see `prune`.

    Raises:
        InputError: The configurations differ in more, or one of them can't be run.
    """
    job = prepare(next(iter(configs.values())), data, reporter)
    jobs = {folder: job.with_config(config) for folder, config in configs.items()}
    store = Store(shared, job.processes)
    for parts in group(part for one in jobs.values() for part in shared_parts(one)):
        do_shared(job.with_config(parts[0].config), parts, store)
    return {folder: prune(one, folder, shared=shared) for folder, one in jobs.items()}
