"""How version 0.1 identified what its stores and run folders hold, so that it is found again.

Its identities said nothing of the model's configuration, the device and the versions of libraries: a stage
that has one is taken for what it would have been taken for then. Where something is set that version 0.1 did
not know, or that it got wrong, there is no such identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deepcuts.common.digests import tensors_digest
from deepcuts.common.store import stage_key
from deepcuts.masks.allocations import allocation_of
from deepcuts.masks.masks import Masks
from deepcuts.runs.steps.score import changed_options
from deepcuts.scoring.strategy import ScoreRequest
from deepcuts.training.plan import TrainingPlan

if TYPE_CHECKING:
    from deepcuts.runs.job import Job

_VERSION = 3
_PLAN = (
    "epochs", "learning_rate", "batch_size", "accumulation", "decay", "warmup", "weight_decay", "betas",
    "clip", "precision", "patience", "group_by_length", "seed",
)  # fmt: skip
_OPTIONS = frozenset(
    {"shift", "noise_std", "paths", "dropout", "precision", "compile", "padding", "max_batches",
     "max_smooth_batches"}
)  # fmt: skip
_SCOPES = ("tensor", "global")

Identity = Mapping[str, Any] | None


def finetune(job: Job, masks: Masks | None = None) -> Identity:
    """Of a fine-tuning."""
    training = _training(job, job.config.finetuning())
    return None if training is None else {"start": job.start_digest, **training}


def score(job: Job, request: ScoreRequest) -> Identity:
    """Of one kind of scores."""
    dense, strategy, options = finetune(job), request.strategy, changed_options(request)
    # Mean activations were taken in the precision of autocast.
    rounded = options.get("precision") == "bf16" and "activation" in strategy.formula.needs
    if dense is None or not options.keys() <= _OPTIONS or rounded:
        return None
    return {
        "version": _VERSION,
        "dense": stage_key("finetune", dense),
        "score": strategy.score,
        "options": options,
        "prunable": list(job.parameters),
        "seed": job.config.seed,
        "batch_size": job.config.score_batch_size if strategy.needs_data else None,
        "processes": job.processes.count if strategy.needs_data else None,
    }


def retrain(job: Job, masks: Masks | None) -> Identity:
    """Of a retraining."""
    dense, training = finetune(job), _training(job, job.config.retraining())
    if masks is None or dense is None or training is None:
        return None
    return {
        "dense": stage_key("finetune", dense),
        "rewind": job.config.rewind,
        "masks": tensors_digest(masks.items()),
        **training,
    }


def cell(job: Job) -> Identity:
    """Of a whole cell of a grid."""
    scores, training = score(job, job.request), _training(job, job.config.retraining())
    scope = job.budget.scope or job.request.strategy.scope
    if scores is None or training is None or scope not in _SCOPES or _is_younger(job):
        return None
    return {
        "version": _VERSION,
        "score": stage_key("score", scores),
        "inverted": job.request.strategy.inverted,
        "scope": scope,
        "density": str(job.budget.density),
        "rewind": job.config.rewind,
        **training,
    }


def _is_younger(job: Job) -> bool:
    """Whether anything is asked for beside scores and plans that version 0.1 did not know."""
    return bool(
        job.config.objective != "task"
        or job.config.restarts
        or allocation_of(job.budget.scope or job.request.strategy.scope).changed(job.budget.options)
    )


def _training(job: Job, plan: TrainingPlan) -> Identity:
    settings = asdict(plan)
    others = [
        name
        for name, value in settings.items()
        if name not in _PLAN and value != getattr(TrainingPlan(plan.epochs, plan.learning_rate), name)
    ]
    # Gradients of several batches or processes were added up where their mean is meant.
    young = job.task.held_out is not None or job.config.keep_zeros
    if others or plan.accumulation > 1 or job.processes.count > 1 or young:
        return None
    task = job.task.data.task
    return {
        "version": _VERSION,
        "train": job.task.train.digest,
        "dev": job.task.dev.digest,
        "primary": task.primary,
        "output_range": list(task.output_range) if task.output_range else None,
        "plan": {name: settings[name] for name in _PLAN},
        "processes": job.processes.count,
    }
