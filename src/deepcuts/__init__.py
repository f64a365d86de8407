"""Single-shot pruning of BERT-family models with scores from interpretability research.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcuts.budget import Budget as Budget
    from deepcuts.criteria import criterion as criterion
    from deepcuts.errors import DeepcutsError as DeepcutsError
    from deepcuts.export.source import load_pruned as load_pruned
    from deepcuts.masking import apply_masks as apply_masks
    from deepcuts.masking import masked as masked
    from deepcuts.masking import verify_masks as verify_masks
    from deepcuts.masks import Masks as Masks
    from deepcuts.options import ScoringOptions as ScoringOptions
    from deepcuts.param_stats import ParamStats as ParamStats
    from deepcuts.prunable import protected_parameters as protected_parameters
    from deepcuts.prunable import prunable_parameters as prunable_parameters
    from deepcuts.request import ScoreRequest as ScoreRequest
    from deepcuts.rewinding import rewind as rewind
    from deepcuts.rewinding import snapshot as snapshot
    from deepcuts.scores import Scores as Scores
    from deepcuts.scoring import score as score
    from deepcuts.scoring import score_requests as score_requests
    from deepcuts.selection import select as select
    from deepcuts.strategy import Strategy as Strategy
    from deepcuts.strategy import strategy_names as strategy_names

__version__ = "0.1.0"

_HOMES = {
    "Budget": "budget",
    "DeepcutsError": "errors",
    "Masks": "masks",
    "ParamStats": "param_stats",
    "ScoreRequest": "request",
    "Scores": "scores",
    "ScoringOptions": "options",
    "Strategy": "strategy",
    "apply_masks": "masking",
    "criterion": "criteria",
    "load_pruned": "export.source",
    "masked": "masking",
    "protected_parameters": "prunable",
    "prunable_parameters": "prunable",
    "rewind": "rewinding",
    "score": "scoring",
    "score_requests": "scoring",
    "select": "selection",
    "snapshot": "rewinding",
    "strategy_names": "strategy",
    "verify_masks": "masking",
}
__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
