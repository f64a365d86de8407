"""The paper's recipe: fine-tune, score, cut, rewind, retrain (DeepCuts, §3)."""

from __future__ import annotations

from typing import Any

from deepcuts.common.options import Option
from deepcuts.runs.recipes.registry import recipe

REWIND = Option(
    "rewind",
    str,
    "pretrained",
    "Retrain from 'pretrained' or 'finetuned' values.",
    choices=("pretrained", "finetuned"),
    panel="What is cut",
)
OPTIONS = (
    Option("finetune_epochs", int, None, "Of the first fine-tuning.", at_least=0),
    Option("retrain_epochs", int, None, "Of the retraining after the cut.", at_least=0),
    Option("learning_rate", float, None, "Adam's.", above=0),
    Option("retrain_learning_rate", float, None, "Adam's, after the cut (default: the same).", above=0),
    REWIND,
)


@recipe("paper", "fine-tune, score, cut, rewind, retrain", options=OPTIONS)
def paper(job: Any) -> list[Any]:
    """The steps of the paper."""
    raise NotImplementedError
