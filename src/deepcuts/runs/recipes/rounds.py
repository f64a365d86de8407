"""Rounds: score and cut several times without training in between, each time under the last round's mask.

After round r of R the density is ``d^(r/R)``. R = 1 is the paper's recipe. Source: de Jorge et al.,
"Progressive skeletonization", 2020; Kurtic et al., 2022, re-estimate scores likewise. What a round has cut
stays cut, or may come back: the formula then takes the dense model's weights, where passes go by the cut
model's (de Jorge et al.'s FORCE; else their Iterative SNIP).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.runs.recipes.paper import OPTIONS as PAPER
from deepcuts.runs.recipes.paper import finetune, retrain
from deepcuts.runs.recipes.registry import recipe

if TYPE_CHECKING:
    from deepcuts.runs.steps import Step

ROUNDS = Option("rounds", int, 8, "Times to score and cut.", symbol="R", at_least=1)

COME_BACK = Option("come_back", bool, False, "Let weights that a round has cut come back in a later one.")


def _check(config: Any) -> None:
    from deepcuts.scoring.strategy import Strategy

    if config.rounds == 1 and config.come_back:
        raise InputError(
            "come_back", True, "there must be a second round in which weights could; ask for --rounds"
        )
    if config.rounds > 1 and not Strategy.parse(config.strategy).needs_data:
        raise InputError(
            "rounds", config.rounds, f"{config.strategy} scores the same in every round; it must be 1"
        )


@recipe(
    "rounds",
    "score and cut R times before retraining, each time under the mask so far",
    options=(*PAPER, ROUNDS, COME_BACK),
    check=_check,
)
def rounds(job: Any) -> list[Step]:
    """Fine-tune; score and cut in turns; rewind; retrain."""
    from deepcuts.runs.steps import Measure

    return [
        finetune(job),
        *cuts(job, job.config.rounds, come_back=job.config.come_back),
        Measure("pruned"),
        *retrain(job),
    ]


def cuts(job: Any, count: int, *, come_back: bool = False) -> list[Step]:
    """Scores and cuts in turns after the fine-tuning; the density falls by the same factor in each.

    Args:
        job: The job.
        count: How many of each.
        come_back: Whether what is cut may be kept by a later cut.
    """
    from deepcuts.runs import legacy
    from deepcuts.runs.steps import Cut, Score

    found: list[Step] = []
    for number in range(1, count + 1):
        is_first, is_last = number == 1, number == count
        values_of = "finetune" if come_back and not is_first else None
        budget = job.budget if is_last else at(job.budget, float(job.budget.density) ** (number / count))
        found += [
            Score(
                job.request,
                job.config.score_batch_size,
                is_shared=is_first,
                former=legacy.score if is_first else None,
                values_of=values_of,
            ),
            Cut(budget, job.request.strategy, values_of=values_of),
        ]
    return found


def at(budget: Any, density: float) -> Any:
    """The same budget at another density, of six digits, so that it is the same on every machine."""
    return replace(budget, density=Fraction(round(density * 10**6), 10**6))
