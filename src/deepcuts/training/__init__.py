"""How a model is trained and measured: a plan, an objective, and Hugging Face's Trainer that holds masks.

`train` trains a model in place by a `TrainingPlan`, with cut weights at exactly 0 after every step, and
leaves it with the weights of its best epoch; `evaluate` and `predict` measure one. Everything else here is
how that is done: the Trainer, its callbacks, its log. Importing the room loads none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcuts.training.evaluation import evaluate as evaluate
    from deepcuts.training.evaluation import predict as predict
    from deepcuts.training.evaluation import predict_by as predict_by
    from deepcuts.training.plan import TrainingPlan as TrainingPlan
    from deepcuts.training.trainer import Training as Training
    from deepcuts.training.trainer import train as train

_HOMES = {
    "Training": "trainer",
    "TrainingPlan": "plan",
    "evaluate": "evaluation",
    "predict": "evaluation",
    "predict_by": "evaluation",
    "train": "trainer",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
