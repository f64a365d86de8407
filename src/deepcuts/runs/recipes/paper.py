"""The paper's recipe: fine-tune, score, cut, rewind, retrain (DeepCuts, §3).

Its options are read wherever a command starts; what its steps need is loaded when they are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepcuts.common.options import Option
from deepcuts.runs.recipes.registry import recipe

if TYPE_CHECKING:
    from deepcuts.runs.steps import Aim, Step, Train

REWIND = Option(
    "rewind",
    str,
    "pretrained",
    "Retrain from 'pretrained' or 'finetuned' values.",
    choices=("pretrained", "finetuned"),
    panel="What is cut",
)
RESTARTS = Option(
    "restarts",
    int,
    0,
    "Times at most to retrain again, in another order, after ending on a plateau.",
    at_least=0,
)
OPTIONS = (
    Option("finetune_epochs", int, None, "Of the first fine-tuning.", at_least=0),
    Option("retrain_epochs", int, None, "Of the retraining after the cut.", at_least=0),
    Option("learning_rate", float, None, "Adam's.", above=0),
    Option("retrain_learning_rate", float, None, "Adam's, after the cut (default: the same).", above=0),
    REWIND,
    RESTARTS,
)


def _former(job: Any) -> Mapping[str, Any] | None:
    from deepcuts.runs import legacy

    return legacy.cell(job)


@recipe("paper", "fine-tune, score, cut, rewind, retrain", options=OPTIONS, former=_former)
def paper(job: Any) -> list[Step]:
    """The steps of the paper: single shot."""
    return [*single_shot(job), *retrain(job)]


def single_shot(job: Any, *, goes_on: bool | None = None) -> list[Step]:
    """θ0 → θ1, scores of it, the cut, and what the cut model is worth.

    Args:
        job: The job.
        goes_on: Whether what follows begins at the cut model, so that new values of its kept weights count;
            by default as `REWIND` says.
    """
    from deepcuts.runs import legacy
    from deepcuts.runs.steps import Cut, Measure, Score

    if goes_on is None:
        goes_on = job.config.rewind == "finetuned"
    return [
        finetune(job),
        Score(job.request, job.config.score_batch_size, is_shared=True, former=legacy.score),
        Cut(job.budget, job.request.strategy, job.request if goes_on else None, job.config.score_batch_size),
        Measure("pruned"),
    ]


def finetune(job: Any) -> Train:
    """θ0 → θ1, the dense model, which most recipes begin with."""
    from deepcuts.runs import legacy
    from deepcuts.runs.steps import Train

    return Train(
        "finetune",
        "fine-tune",
        "dense",
        "fine-tuning",
        job.config.finetuning(),
        is_shared=True,
        former=legacy.finetune,
    )


def aim_of(job: Any) -> Aim:
    """What retraining minimises; a teacher is the dense model of the same run."""
    from deepcuts.runs.steps import Aim
    from deepcuts.training.objectives import find_objective

    chosen = find_objective(job.config.objective)
    given = {option.name: getattr(job.config, option.setting) for option in chosen.options}
    return Aim(chosen.name, chosen.changed(given), "finetune" if chosen.reads_teacher else None)


def retrain(job: Any) -> list[Step]:
    """M ⊙ θ → M ⊙ θ2, from the values that are asked for, and the pruned model saved; most end so."""
    from deepcuts.runs import legacy
    from deepcuts.runs.steps import Rewind, Save, Train

    source = job.config.rewind
    training = Train(
        "retrain",
        "retrain",
        "retrained",
        "retraining",
        job.config.retraining(),
        aim_of(job),
        note=f"from the {source} weights",
        ways=("--rewind finetuned",) if source == "pretrained" else (),
        restarts=job.config.restarts,
        former=legacy.retrain,
    )
    return [*([Rewind()] if source == "pretrained" else []), training, Save()]
