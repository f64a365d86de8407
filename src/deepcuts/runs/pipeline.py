"""The pipeline of the paper: a pretrained model and a task in; a pruned, verified, measured model out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from deepcuts.common.errors import InputError
from deepcuts.common.progress import Reporter
from deepcuts.common.store import Store
from deepcuts.masks.holding import apply_masks, verify_masks
from deepcuts.masks.rewinding import rewind
from deepcuts.masks.selection import select
from deepcuts.runs import run_folder
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.plateau import ways_off
from deepcuts.runs.run_folder import open_run
from deepcuts.runs.saving import describe, save_pruned
from deepcuts.runs.stages import (
    Job,
    Scored,
    Tracking,
    Trained,
    finetune,
    finetune_identity,
    prepare,
    retrain,
    save_predictions,
    score_all,
    score_one,
)
from deepcuts.tasks import TaskData, baseline, measure
from deepcuts.training.evaluation import predict


def prune(
    job: Job,
    folder: Path,
    *,
    shared: Path | None = None,
    overwrite: bool = False,
    keep_scores: bool = False,
    report_to: Sequence[str] = (),
) -> dict[str, Any]:
    """Fine-tune, score, cut, rewind, retrain, measure, save (DeepCuts, §3); goes on where it stopped.

    Args:
        job: What `deepcuts.runs.stages.prepare` loaded; its model ends as the pruned one.
        folder: The run folder.
        shared: Folder for the fine-tuned model and the scores, which other runs then reuse; None keeps
            them in the run folder until the run is finished.
        overwrite: Whether a run that is in the folder is deleted first.
        keep_scores: Whether the scores are saved in the run folder.
        report_to: Experiment trackers that Transformers knows, such as ``"tensorboard"``.

    Returns:
        The result, as it stands in ``result.json``.

    Raises:
        RunFolderError: The folder holds something else than this run.
        DivergedError: A training's loss became NaN or infinite.
        InvariantError: A cut weight is not 0 where it must be, or a rewind was not exact.
    """
    with open_run(folder, job.config, job.processes, overwrite=overwrite):
        own = Store(folder / run_folder.WORK, job.processes)
        if (finished := run_folder.finished_result(folder)) is not None:
            job.reporter.line(f"{folder}: finished already; nothing was done again")
            own.remove()
            return finished
        store = own if shared is None else Store(shared, job.processes)
        tracking = Tracking(tuple(report_to), folder / run_folder.LOGS)
        job.reporter.line(job.title)
        rewind(job.model, job.start)  # θ0, also where the job was used before
        dense = finetune(job, store, tracking)  # θ1
        scored = score_one(job, store, dense.key, job.request)
        return cut_and_retrain(job, folder, dense, scored, keep_scores=keep_scores, tracking=tracking)


def cut_and_retrain(
    job: Job,
    folder: Path,
    dense: Trained,
    scored: Scored,
    *,
    keep_scores: bool = False,
    keep_model: bool = True,
    tracking: Tracking | None = None,
) -> dict[str, Any]:
    """The second half of `prune`: cut the scored model, rewind, retrain, measure, save.

    Args:
        job: The job; its model must be at θ1, and ends as the pruned one.
        folder: A run folder that this process has for itself.
        dense: The fine-tuning that gave θ1.
        scored: The scores of θ1.
        keep_scores: Whether the scores are saved in the run folder.
        keep_model: Whether the pruned model is; masks and result always are.
        tracking: Where the retraining is logged.

    Returns:
        The result, as it stands in ``result.json``.
    """
    seconds = _Seconds()
    work = Store(folder / run_folder.WORK, job.processes)
    with seconds.of("cut"):
        masks = select(scored.scores, job.budget)
        apply_masks(job.model, masks)
    with seconds.of("evaluate"):
        pruned = predict(job.model, job.task)
    if job.config.rewind == "pretrained":
        with seconds.of("rewind"):
            rewind(job.model, job.start)
    retrained = retrain(job, work, masks, dense, tracking)  # M ⊙ θ2
    verify_masks(job.model, masks)
    with seconds.of("save"):
        save_pruned(job, folder, masks, scored.scores if keep_scores else None, keep_model=keep_model)
        if job.processes.is_first:
            predictions = {
                "dense": dense.predictions,
                "pruned": pruned,
                "retrained": retrained.predictions,
                "targets": torch.tensor(job.task.dev.targets),
            }
            save_predictions(folder / run_folder.PREDICTIONS, job, predictions)
    result = {
        **describe(job, masks, model_saved=keep_model),
        "baseline": baseline(job.task.data.task, job.task.data.train, job.task.data.dev),
        "dense": dense.measures,
        "pruned": measure(job.task.data.task, pruned.numpy(), job.task.dev.targets),
        "retrained": retrained.measures,
        "best_epoch": {"finetune": dense.best_epoch, "retrain": retrained.best_epoch},
        "plateau": {
            label: None if trained.plateau is None else trained.plateau.facts(ways_off(job.config, label))
            for label, trained in {"fine-tune": dense, "retrain": retrained}.items()
        },
        "seconds": {
            "finetune": dense.seconds,
            "score": scored.seconds,
            "score_shared_by": scored.shared_by,
            "retrain": retrained.seconds,
            **seconds.spent,
        },
    }
    history = {"finetune": dense.epochs, "retrain": retrained.epochs}
    run_folder.finish(folder, job.processes, result, history)
    work.remove()
    return result


def prune_each(
    configs: Mapping[Path, PruneConfig], data: TaskData, shared: Path, reporter: Reporter | None = None
) -> dict[Path, dict[str, Any]]:
    """Run several cuts of one model from one dense fine-tune and one sweep of scores.

    Args:
        configs: Run folder → configuration; they agree in all that dense model and batches depend on.
        data: The task that they name, loaded.
        shared: Folder for the fine-tuned model and the scores.
        reporter: Where progress is shown.

    Returns:
        Run folder → result, see `prune`.

    Raises:
        InputError: The configurations differ in more, or one of them can't be run.
    """
    first = next(iter(configs.values()))
    job = prepare(first, data, reporter)
    jobs = {folder: job.with_config(config) for folder, config in configs.items()}
    for one in jobs.values():
        if (finetune_identity(one), one.config.score_batch_size) != (
            finetune_identity(job),
            job.config.score_batch_size,
        ):
            raise InputError("configs", one.config.strategy, "they must agree in fine-tuning and batches")
    store = Store(shared, job.processes)
    # All strategies in one sweep; the runs below find their scores in the store.
    score_all(job, store, finetune(job, store).key, [one.request for one in jobs.values()])
    return {folder: prune(one, folder, shared=shared) for folder, one in jobs.items()}


class _Seconds:
    """Wall time by what it was spent on."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.monotonic() - started
