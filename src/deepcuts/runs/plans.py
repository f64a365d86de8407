"""What a job plans, checked before any work: its training, the memory of its scores, weights held at 0."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deepcuts.common.errors import InputError
from deepcuts.models.former_head import IS_NEW
from deepcuts.runs.held import check_held
from deepcuts.runs.steps import Aim, Cut, Train
from deepcuts.scoring.explained import explaining
from deepcuts.scoring.gradients import Passes
from deepcuts.scoring.memory import PlannedMemory, check_memory, planned_memory
from deepcuts.scoring.passes import Gradients, model_loss, to_device
from deepcuts.scoring.undisturbed import undisturbed
from deepcuts.scoring.wanted import Changed, Wanted


def check_plans(job: Any) -> None:
    """Refuse what can't be trained so, too large scores, and budgets of weights held at 0.

    Raises:
        InputError: It is so.
    """
    job.config.finetuning().check_for(job.task.data.task)
    _check_trainings(job)
    check_cut(job)


def check_cut(job: Any) -> None:
    """Refuse scores that don't fit into memory, and a budget that keeps weights held at 0.

    Raises:
        InputError: It is so.
    """
    check_memory(job.parameters, [job.request], updates=_updates_weights(job))
    if job.held is not None:
        shapes = {name: parameter.shape for name, parameter in job.parameters.items()}
        check_held(job.budget, job.held, shapes, job.request.strategy.scope)


def _check_trainings(job: Any) -> None:
    """Refuse what is to be learned from nobody, or in no epoch."""
    before: dict[str, Train] = {}
    for step in job.steps:
        if not isinstance(step, Train):
            continue
        idle = {"objective": step.aim.objective, "restarts": step.restarts} if not step.plan.epochs else {}
        for name, value in idle.items():
            if value not in (Aim().objective, 0):
                raise InputError(name, value, f"nothing is trained by it: {step.title} takes 0 epochs")
        teacher = step.aim.teacher
        if teacher is not None and teacher not in before:
            raise InputError(
                "objective", step.aim.objective, f"there is no training {teacher!r} of a teacher"
            )
        is_new = any(note.startswith(IS_NEW) for note in job.told)
        if teacher is not None and before[teacher].plan.epochs == 0 and is_new:
            raise InputError(
                "objective",
                step.aim.objective,
                "the teacher would be a model whose head is new and that nothing has trained; it must be "
                "fine-tuned first (finetune_epochs)",
            )
        before[step.kind] = step


def memory_of(job: Any) -> PlannedMemory:
    """What scoring takes at its peak."""
    return planned_memory(job.parameters, [job.request], updates=_updates_weights(job))


def _updates_weights(job: Any) -> bool:
    return any(isinstance(step, Cut) and step.updates for step in job.steps)


def try_gradient(job: Any) -> None:
    """Make one pass of a gradient that changes the model's passes, on the task's shortest row.

    Whether it knows all that this architecture computes with is known then, before any long work.

    Raises:
        ScoringError: It doesn't.
    """
    request = job.request
    gradient = request.strategy.gradient_read
    way = Changed.of(Wanted.of(request))
    if gradient.clean or not request.strategy.formula.reads_gradient or way in job.tried:
        return
    job.tried.add(way)
    row = min(job.task.train.rows, key=lambda one: len(one["input_ids"]))
    device = next(iter(job.parameters.values())).device
    loss_fn = explaining(gradient.explained(request.options), model_loss)
    passes = Passes(job.model, job.parameters, request.options, range(1), job.seed)
    gradients = Gradients(job.parameters)
    with undisturbed(job.model), gradients.own(), torch.enable_grad():
        job.model.eval()
        with gradient.context(passes):
            gradients.stream(loss_fn(job.model, to_device(job.task.collate([row]), device)), _let_go)


def _let_go(name: str, gradient: Tensor, is_there: bool) -> None:
    """It is not asked for."""
