"""The paper's steps with the dense model of the run as a teacher of the retraining.

Source: Hinton et al., 2015; Kurtic et al., 2023. The formula is `deepcuts.training.objectives.distill`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.runs.recipes.paper import OPTIONS, retrain, single_shot
from deepcuts.runs.recipes.registry import recipe

if TYPE_CHECKING:
    from deepcuts.runs.steps import Step


def _check(config: Any) -> None:
    from deepcuts.training.objectives import find_objective

    if not find_objective(config.objective).reads_teacher:
        raise InputError(
            "objective",
            config.objective,
            "the recipe 'distill' reads a teacher; it must be one that does, or --recipe paper",
        )


@recipe(
    "distill",
    "the paper's, and retraining learns from the dense model",
    options=OPTIONS,
    defaults=lambda given, schedule: {"objective": "distill"},
    check=_check,
)
def distill(job: Any) -> list[Step]:
    """Fine-tune, score, cut, rewind, retrain by what the fine-tuned model says."""
    return [*single_shot(job), *retrain(job)]
