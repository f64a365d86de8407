"""Single-shot pruning of BERT-family models with scores from interpretability research.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib

from deepcuts.common.aliases import install as _install_aliases
from deepcuts.common.version import __version__ as __version__

# As type checkers know it; `typing` takes longer to import than everything else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from deepcuts.architectures.parameters import protected_parameters as protected_parameters
    from deepcuts.architectures.parameters import prunable_parameters as prunable_parameters
    from deepcuts.common.errors import DeepcutsError as DeepcutsError
    from deepcuts.common.options import Option as Option
    from deepcuts.deploy.export.source import load_pruned as load_pruned
    from deepcuts.masks.allocations import Allocation as Allocation
    from deepcuts.masks.allocations import allocation as allocation
    from deepcuts.masks.budget import Budget as Budget
    from deepcuts.masks.holding import apply_masks as apply_masks
    from deepcuts.masks.holding import masked as masked
    from deepcuts.masks.holding import verify_masks as verify_masks
    from deepcuts.masks.masks import Masks as Masks
    from deepcuts.masks.rewinding import rewind as rewind
    from deepcuts.masks.rewinding import snapshot as snapshot
    from deepcuts.masks.selection import select as select
    from deepcuts.runs.trainers.run import prune_trainer as prune_trainer
    from deepcuts.scoring.criteria import criterion as criterion
    from deepcuts.scoring.gradients import Passes as Passes
    from deepcuts.scoring.gradients import gradient as gradient
    from deepcuts.scoring.options import ScoringOptions as ScoringOptions
    from deepcuts.scoring.param_stats import ParamStats as ParamStats
    from deepcuts.scoring.scores import Scores as Scores
    from deepcuts.scoring.scoring import score as score
    from deepcuts.scoring.scoring import score_requests as score_requests
    from deepcuts.scoring.statistics import Call as Call
    from deepcuts.scoring.statistics import ExampleStatistic as ExampleStatistic
    from deepcuts.scoring.statistics import GradientStatistic as GradientStatistic
    from deepcuts.scoring.statistics import LayerStatistic as LayerStatistic
    from deepcuts.scoring.statistics import statistic as statistic
    from deepcuts.scoring.strategy import ScoreRequest as ScoreRequest
    from deepcuts.scoring.strategy import Strategy as Strategy
    from deepcuts.scoring.strategy import strategy_names as strategy_names
    from deepcuts.training.callbacks import MaskCallback as MaskCallback
    from deepcuts.training.objectives import objective as objective

_HOMES = {
    "Allocation": "masks.allocations",
    "Budget": "masks.budget",
    "Call": "scoring.statistics",
    "DeepcutsError": "common.errors",
    "ExampleStatistic": "scoring.statistics",
    "GradientStatistic": "scoring.statistics",
    "LayerStatistic": "scoring.statistics",
    "MaskCallback": "training.callbacks",
    "Masks": "masks.masks",
    "Option": "common.options",
    "ParamStats": "scoring.param_stats",
    "Passes": "scoring.gradients",
    "ScoreRequest": "scoring.strategy",
    "Scores": "scoring.scores",
    "ScoringOptions": "scoring.options",
    "Strategy": "scoring.strategy",
    "allocation": "masks.allocations",
    "apply_masks": "masks.holding",
    "criterion": "scoring.criteria",
    "gradient": "scoring.gradients",
    "load_pruned": "deploy.export.source",
    "masked": "masks.holding",
    "objective": "training.objectives",
    "protected_parameters": "architectures.parameters",
    "prunable_parameters": "architectures.parameters",
    "prune_trainer": "runs.trainers.run",
    "rewind": "masks.rewinding",
    "score": "scoring.scoring",
    "score_requests": "scoring.scoring",
    "select": "masks.selection",
    "snapshot": "masks.rewinding",
    "statistic": "scoring.statistics",
    "strategy_names": "scoring.strategy",
    "verify_masks": "masks.holding",
}
__all__ = sorted([*_HOMES, "__version__"])

_install_aliases()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
