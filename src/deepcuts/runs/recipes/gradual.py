"""Gradual: the density falls in steps while training goes on, and the learning rate starts anew after each.

Cut k of K leaves the sparsity ``s_f + (s_1 - s_f) · (1 - (k - 1) / (K - 1))³``; the first is a large one.
Source: Zhu & Gupta, 2017; first cut and learning rate as in Kurtic et al., 2022 (oBERT).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.runs.recipes.paper import OPTIONS as PAPER
from deepcuts.runs.recipes.paper import RESTARTS, REWIND, aim_of, finetune
from deepcuts.runs.recipes.registry import recipe
from deepcuts.runs.recipes.rounds import at

if TYPE_CHECKING:
    from deepcuts.runs.steps import Step

CUTS = Option("cuts", int, 4, "Cuts, with training after each.", symbol="K", at_least=2)
FIRST = Option(
    "first_cut", float, 0.7, "Share of all that is cut at last that goes at once.", above=0, below=1
)
#: Training goes on from what it has found: there is nothing to rewind to, or to begin again from.
OPTIONS = (*(option for option in PAPER if option not in (REWIND, RESTARTS)), CUTS, FIRST)


def _check(config: Any) -> None:
    if config.retrain_epochs is not None and config.retrain_epochs < config.cuts:
        raise InputError(
            "retrain_epochs", config.retrain_epochs, f"each of the {config.cuts} cuts needs an epoch at least"
        )


@recipe("gradual", "cut in steps, with training in between", options=OPTIONS, check=_check)
def gradual(job: Any) -> list[Step]:
    """Fine-tune; score, cut and train in turns; the last training is the longest."""
    from deepcuts.runs import legacy
    from deepcuts.runs.steps import Cut, Measure, Save, Score, Train

    config, count = job.config, job.config.cuts
    plan = config.retraining()
    each = plan.epochs // count
    steps: list[Step] = [finetune(job)]
    for number in range(1, count + 1):
        is_first, is_last = number == 1, number == count
        budget = job.budget if is_last else at(job.budget, 1 - sparsity(job.budget, config, number))
        name = "retrain" if is_last else f"retrain-{number}"
        steps += [
            Score(
                job.request,
                config.score_batch_size,
                is_shared=is_first,
                former=legacy.score if is_first else None,
            ),
            Cut(budget, job.request.strategy),
            *([Measure("pruned")] if is_last else []),
            Train(
                name,
                name.replace("-", " after cut "),
                "retrained" if is_last else f"after cut {number}",
                "retraining",
                replace(plan, epochs=plan.epochs - each * (count - 1) if is_last else each),
                aim_of(job),
            ),
        ]
    return [*steps, Save()]


def sparsity(budget: Any, config: Any, number: int) -> float:
    """Share of weights that is cut after so many cuts."""
    final = 1 - float(budget.density)
    first = config.first_cut * final
    left = 1 - (number - 1) / (config.cuts - 1)
    return float(final + (first - final) * left**3)
