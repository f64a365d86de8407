"""What a job plans, checked before any work: its training, the memory of its scores, weights held at 0."""

from __future__ import annotations

from typing import Any

from deepcuts.runs.held import check_held
from deepcuts.runs.steps import Cut
from deepcuts.scoring.memory import PlannedMemory, check_memory, planned_memory


def check_plans(job: Any) -> None:
    """Refuse what the task's kind can't be trained by, too large scores, and budgets of weights held at 0.

    Raises:
        InputError: It is so.
    """
    job.config.finetuning().check_for(job.task.data.task)
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


def memory_of(job: Any) -> PlannedMemory:
    """What scoring takes at its peak."""
    return planned_memory(job.parameters, [job.request], updates=_updates_weights(job))


def _updates_weights(job: Any) -> bool:
    return any(isinstance(step, Cut) and step.updates for step in job.steps)
