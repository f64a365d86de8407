"""Plateaus: trainings on which a model stays, or was at half time, no better than a constant prediction.

Retraining from the pretrained values begins on one at high sparsity, and leaves it early, late or never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepcuts.tasks import baseline, why_constant
from deepcuts.tasks.encoding import EncodedTask


@dataclass(frozen=True)
class Plateau:
    """A training's plateau.

    Attributes:
        at_end: Whether the model ended on it; else it left it in the second half of its steps.
        why: How that is seen, in a few words; None if it left it.
    """

    at_end: bool
    why: str | None = None

    def sentence(self, ways: Sequence[str]) -> str:
        """What is said of a training that ended on it."""
        return f"ended no better than a constant prediction: {self.why}; try {' or '.join(ways)}"

    def facts(self, ways: Sequence[str]) -> dict[str, Any]:
        """What a run's result says of it."""
        return {"at_end": self.at_end, "why": self.why, "try": list(ways) if self.at_end else []}


def why_constant_on_dev(
    task: EncodedTask, measures: Mapping[str, float], predictions: np.ndarray[Any, Any]
) -> str | None:
    """Why a model is no better than a constant on dev, see `deepcuts.tasks.why_constant`; None if it is."""
    asked, dev = task.data.task, task.dev.targets
    constant = baseline(asked, task.data.train, task.data.dev)
    return why_constant(asked.kind, asked.primary, measures, constant, len(dev), predictions, dev)


def find_plateau(
    task: EncodedTask,
    epochs: Sequence[Mapping[str, Any]],
    measures: Mapping[str, float],
    predictions: np.ndarray[Any, Any],
) -> Plateau | None:
    """The plateau of a training, or None if it was on none at half time and at its end.

    Args:
        task: The task.
        epochs: See `deepcuts.training.trainer.Training`; without a single one nothing was trained.
        measures: What the model that it left reaches on dev.
        predictions: What that says of the dev rows, ``(rows, outputs)``.
    """
    if not epochs:
        return None
    why = why_constant_on_dev(task, measures, predictions)
    if why is not None:
        return Plateau(at_end=True, why=why)
    # The first entry at half of the steps or after it; an older store's entries do not say.
    half = next(entry for entry in epochs if 2 * entry["step"] >= epochs[-1]["step"])
    return Plateau(at_end=False) if half.get("constant") else None
