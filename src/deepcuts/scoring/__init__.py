"""How important each weight is: options, strategies, criteria, and the sweep over the data.

A strategy names a *criterion* (`criteria`: the formula), the *gradient* that it sees (`gradients`) and
how a cut is divided; the criterion says which *statistics* it needs (`statistics`). Each of the three is
a folder with one file a choice, which declares the options that it reads. `score` computes the scores of
any number of strategies in one sweep over the data: what they share is computed once. It works on any
``nn.Module`` and needs torch alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Here, so that whoever imports anything of this room finds every choice registered.
from deepcuts.scoring import criteria, gradients, statistics
from deepcuts.scoring.criteria import criterion
from deepcuts.scoring.gradients import Passes, gradient
from deepcuts.scoring.options import ScoringOptions, scoring_options
from deepcuts.scoring.param_stats import ParamStats
from deepcuts.scoring.statistics import (
    Call,
    ExampleStatistic,
    GradientStatistic,
    LayerStatistic,
    statistic,
)
from deepcuts.scoring.strategy import ScoreRequest, Strategy, strategy_names

if TYPE_CHECKING:
    from deepcuts.scoring.scores import Scores as Scores
    from deepcuts.scoring.scoring import count_passes as count_passes
    from deepcuts.scoring.scoring import score as score
    from deepcuts.scoring.scoring import score_requests as score_requests

_WITH_TORCH = {"Scores": "scores", "count_passes": "scoring", "score": "scoring", "score_requests": "scoring"}

__all__ = [
    "Call",
    "ExampleStatistic",
    "GradientStatistic",
    "LayerStatistic",
    "ParamStats",
    "Passes",
    "ScoreRequest",
    "Scores",
    "ScoringOptions",
    "Strategy",
    "count_passes",
    "criteria",
    "criterion",
    "gradient",
    "gradients",
    "score",
    "score_requests",
    "scoring_options",
    "statistic",
    "statistics",
    "strategy_names",
]


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
