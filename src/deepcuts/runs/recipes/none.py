"""No retraining: cut the fine-tuned model, and let only biases and normalisations adapt, on a few batches.

What it takes is minutes. Source: for what is adapted, Ben Zaken et al., "BitFit", 2022.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.runs.recipes.paper import OPTIONS as PAPER
from deepcuts.runs.recipes.paper import aim_of, single_shot
from deepcuts.runs.recipes.registry import recipe

if TYPE_CHECKING:
    from deepcuts.runs.steps import Step

RATE = Option("repair_learning_rate", float, 1e-3, "Adam's, meanwhile.", above=0)
OPTIONS = (
    *(option for option in PAPER if option.name in ("finetune_epochs", "learning_rate")),
    Option(
        "repair_batches",
        int,
        100,
        "Batches on which biases and normalisations adapt; 0 for none.",
        at_least=0,
    ),
    RATE,
)


def _check(config: Any) -> None:
    if config.repair_batches == 0 and config.repair_learning_rate != RATE.default:
        raise InputError(
            RATE.name,
            config.repair_learning_rate,
            "with repair_batches at 0 nothing adapts; leave one of them out",
        )


@recipe(
    "none",
    "fine-tune, score, cut, adapt biases and normalisations on a few batches",
    options=OPTIONS,
    check=_check,
)
def none(job: Any) -> list[Step]:
    """Fine-tune, score, cut; what is left is not trained but for its smallest part."""
    from deepcuts.runs.steps import Save, Train

    config = job.config
    rows = job.rows
    plan = config.finetuning()
    steps = config.repair_batches
    a_pass = max(1, replace(plan, epochs=1).steps(rows, job.processes.count))
    repair = replace(
        plan,
        learning_rate=config.repair_learning_rate,
        epochs=-(-steps // a_pass),
        part="small",
        most_steps=steps or None,
    )
    training = Train(
        "retrain", "repair", "retrained", "repairing", repair, aim_of(job), note="biases and norms alone"
    )
    return [*single_shot(job, goes_on=True), training, Save()]
