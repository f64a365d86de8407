"""What a run leaves behind: masks and the pruned model, read back and checked, and facts about them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepcuts.common.digests import tensor_bytes
from deepcuts.common.errors import InvariantError
from deepcuts.common.files import write_atomically
from deepcuts.masks.holding import verify_masks
from deepcuts.masks.masks import Masks
from deepcuts.models.loading import load_finetuned
from deepcuts.runs import run_folder
from deepcuts.runs.stages import Job
from deepcuts.scoring.scores import Scores
from deepcuts.scoring.scoring import count_passes
from deepcuts.training.plan import TrainingPlan

RESULT_VERSION = 2


def save_pruned(
    job: Job, folder: Path, masks: Masks, scores: Scores | None, *, keep_model: bool = True
) -> None:
    """Save masks, model and tokenizer, and scores if given; then read masks and model back and check them.

    Without `keep_model` the model and its tokenizer are left out.

    Raises:
        InvariantError: What was read back is not, bit for bit, what was saved, a cut weight is not 0, or
            the number of kept weights is not the planned one.
    """
    if job.processes.is_first:
        if scores is not None:
            scores.save(folder / run_folder.SCORES)
        masks.save(folder / run_folder.MASKS)
        saved_masks = Masks.load(folder / run_folder.MASKS)
        planned = job.budget.kept_in_all(sum(job.sizes.values()))
        if saved_masks.kept != planned:
            raise InvariantError(f"{saved_masks.kept:,} weights are kept, {planned:,} were planned")
        if keep_model:
            write_atomically(folder / run_folder.MODEL, lambda temporary: _write_model(job, temporary))
            saved, _ = load_finetuned(
                str(folder / run_folder.MODEL), trust_remote_code=job.config.trust_remote_code
            )
            verify_masks(saved, saved_masks)
            _check_equal(job.model, saved)
    job.processes.wait()


def describe(job: Job, masks: Masks, *, model_saved: bool = True) -> dict[str, Any]:
    """Facts that a run's measures need to be read: what was cut from which model, for which task, how."""
    config, data, request = job.config, job.task.data, job.request
    batches = int(masks.provenance["scores"]["batches"])
    left = job.total - masks.total + masks.kept
    return {
        "format": RESULT_VERSION,
        "strategy": job.config.strategy,
        "rewind": job.config.rewind,
        "seed": job.config.seed,
        "model": {
            "name": job.config.model,
            "class": type(job.model).__name__,
            "architecture": job.model.config.model_type,
            "parameters": job.total,
            "prunable": masks.total,
            "start_digest": job.start.digest,
        },
        "task": {
            "name": data.task.name,
            "kind": data.task.kind,
            "primary": data.task.primary,
            "source": data.source,
            "digest": data.digest,
            "train_rows": len(data.train),
            "dev_rows": len(data.dev),
            "truncated_rows": job.task.truncated,
        },
        "budget": dict(masks.provenance["budget"]),
        "kept": {
            "weights": masks.kept,
            "density": masks.density,
            "parameters_left": left,
            "compression": job.total / left,
            "by_tensor": masks.kept_by_tensor,
        },
        "scoring": {
            **asdict(request.strategy.options_read(request.options)),
            "batch_size": config.score_batch_size,
            "batches": batches,
            "passes": count_passes([request], batches),
        },
        "finetuning": _plan(config.finetuning()),
        "retraining": _plan(config.retraining()),
        # Each was checked on the way here; a run in which one does not hold ends with an error instead.
        "invariants": {
            "cut_weights_are_zero_after_retraining": True,
            "cut_weights_are_zero_in_the_saved_model": True if model_saved else None,
            "saved_model_is_the_measured_one_bit_for_bit": True if model_saved else None,
            "kept_weights_are_as_many_as_planned": True,
            "rewind_was_exact": job.config.rewind == "pretrained" or None,
        },
    }


def _write_model(job: Job, folder: Path) -> None:
    job.model.save_pretrained(folder)
    job.task.tokenizer.save_pretrained(folder)


def _check_equal(model: nn.Module, saved: nn.Module) -> None:
    parameters = dict(saved.named_parameters())
    for name, parameter in model.named_parameters():
        if not torch.equal(tensor_bytes(parameter), tensor_bytes(parameters[name])):
            raise InvariantError(f"{name!r} is not in the saved model as it was in the measured one")


def _plan(plan: TrainingPlan) -> dict[str, Any]:
    return {**asdict(plan), "betas": list(plan.betas)}  # as JSON gives it back
