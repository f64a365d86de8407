"""What this project recommends for the best small model; which of its parts matters is not measured yet.

The gradient's scores divide the budget themselves, above a floor for every tensor; retraining goes on from
the fine-tuned values, learns from the fine-tuned model, warms up, and takes the longer the less is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepcuts.runs.recipes.paper import OPTIONS, retrain, single_shot
from deepcuts.runs.recipes.registry import recipe

if TYPE_CHECKING:
    from deepcuts.runs.steps import Step


def _defaults(given: Mapping[str, Any], schedule: Any) -> dict[str, Any]:
    density = given.get("density", 1 - given["sparsity"] if "sparsity" in given else None)
    return {
        "strategy": "FloorMagGrad",
        "rewind": "finetuned",
        "objective": "distill",
        "decay": "linear",
        "warmup": 0.1,
        "retrain_epochs": schedule.retrain_epochs * (1 if density is None or density > 0.05 else 2),
    }


@recipe(
    "best", "divided by scores above a floor, from fine-tuned values, by a teacher", options=OPTIONS,
    defaults=_defaults,
)  # fmt: skip
def best(job: Any) -> list[Step]:
    """Fine-tune, score, cut, retrain from the fine-tuned values by what the fine-tuned model says."""
    return [*single_shot(job), *retrain(job)]
