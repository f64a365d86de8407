"""A recipe from outside of the package: score and cut twice, without training in between."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

from deepcuts.runs.recipes import recipe
from deepcuts.runs.recipes.paper import OPTIONS, finetune, retrain
from deepcuts.runs.steps import Cut, Measure, Score, Step


@recipe("two-rounds", "score, cut to the root of the density, score under the mask, cut", options=OPTIONS)
def two_rounds(job: Any) -> list[Step]:
    root = Fraction(math.sqrt(job.budget.density)).limit_denominator(10**6)
    size, strategy = job.config.score_batch_size, job.request.strategy
    return [
        finetune(job),
        Score(job.request, size, is_shared=True),
        Cut(replace(job.budget, density=root), strategy),
        Score(job.request, size),
        Cut(job.budget, strategy),
        Measure("pruned"),
        *retrain(job),
    ]
