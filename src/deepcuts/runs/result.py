"""What a run's result says: what was cut from which model, for which task, how, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deepcuts.runs.steps import Aim, Rewind, Run, Train
from deepcuts.scoring.scoring import count_passes

if TYPE_CHECKING:
    from deepcuts.runs.planned import Planned

RESULT_VERSION = 2


def result_of(job: Planned, run: Run) -> dict[str, Any]:
    """The content of ``result.json``; for what of it is of the test rows see `deepcuts.runs.tested`."""
    facts = job.facts()
    return {
        **_describe(job, run, facts),
        "baseline": facts["baseline"],
        **run.measures,
        **({"test": dict(tested)} if (tested := job.tested(run)) else {}),
        "best_epoch": {name: trained.best_epoch for name, trained in run.trained.items()},
        "plateau": {
            _LABELS.get(name, name): None if trained.plateau is None else trained.plateau.facts(trained.ways)
            for name, trained in run.trained.items()
        },
        **_restarts(run),
        "last_epoch": {name: trained.last_epoch or trained.measures for name, trained in run.trained.items()},
        # Where a measure is that of a model no better than a constant, and why.
        "constant": {
            **run.constant,
            "last_epoch": {name: trained.last_constant for name, trained in run.trained.items()},
        },
        "seconds": {
            **run.seconds,
            **({"score_shared_by": run.scored[-1].shared_by} if run.scored else {}),
        },
        "environments": _environments(run),
    }


def _restarts(run: Run) -> dict[str, Any]:
    """How often trainings were begun again, where one was."""
    found = {name: trained.restarted for name, trained in run.trained.items() if trained.restarted}
    return {"restarted": found} if found else {}


def history_of(run: Run) -> dict[str, Any]:
    """The content of ``history.json``: every epoch of every training."""
    return {name: trained.epochs for name, trained in run.trained.items()}


#: Names of trainings that a result spells in another way in one place, as version 0.1 did.
_LABELS = {"finetune": "fine-tune"}


def _environments(run: Run) -> list[dict[str, Any]]:
    """What the numbers were made with: each environment once, with the steps that were made in it."""
    found: list[dict[str, Any]] = []
    for step, environment in run.environments.items():
        known = next((one for one in found if one["environment"] == environment), None)
        if known is None:
            found.append({"steps": [step], "environment": environment})
        else:
            known["steps"].append(step)
    return found


def _describe(job: Planned, run: Run, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that a run's measures need to be read."""
    config, request, masks = job.config, job.request, run.masks
    assert masks is not None
    batches = int(masks.provenance["scores"]["batches"])
    left = job.total - masks.total + masks.kept
    return {
        "format": RESULT_VERSION,
        "recipe": config.recipe,
        "strategy": config.strategy,
        "rewind": "pretrained" if any(isinstance(step, Rewind) for step in job.steps) else "finetuned",
        "seed": job.config.seed,
        "model": {**facts["model"], "parameters": job.total, "prunable": masks.total},
        "task": facts["task"],
        "notes": list(job.notes),
        "inputs": facts["inputs"],
        "budget": dict(masks.provenance["budget"]),
        "kept": {
            "weights": masks.kept,
            "density": masks.density,
            "parameters_left": left,
            "compression": job.total / left,
            "by_tensor": masks.kept_by_tensor,
        },
        "scoring": {
            **request.strategy.options_read(request.options).as_dict(),
            "batch_size": config.score_batch_size,
            "batches": batches,
            "passes": count_passes([request], batches) * len(run.scored),
        },
        **_trainings([step for step in job.steps if isinstance(step, Train)]),
        # Each was checked on the way here; a run in which one does not hold ends with an error instead.
        "invariants": {
            "cut_weights_are_zero_after_retraining": True,
            "cut_weights_are_zero_in_the_saved_model": run.keep_model or None,
            "saved_model_is_the_measured_one_bit_for_bit": run.keep_model or None,
            "kept_weights_are_as_many_as_planned": True,
            "rewind_was_exact": any(isinstance(step, Rewind) for step in job.steps) or None,
        },
    }


def _trainings(steps: Sequence[Train]) -> dict[str, Any]:
    """How each kind of training was done; the epochs of those that are one kind are added up."""
    found: dict[str, Any] = {}
    for step in steps:
        name = step.title.replace("-", "")
        before = found[name]["epochs"] if name in found else 0
        found[name] = _training(step)
        found[name]["epochs"] += before
    return found


def _training(step: Train) -> dict[str, Any]:
    plan = {**asdict(step.plan), "betas": list(step.plan.betas)}  # as JSON gives it back
    if step.aim == Aim():
        return plan
    return {**plan, "objective": step.aim.objective, "objective_options": dict(step.aim.options)}
