"""Whether a model is as good as constant: what a training that never left its plateau ends as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepcuts.tasks.kinds.kind import Array, kind_named


def why_constant(
    kind: str,
    primary: str,
    measures: Mapping[str, float],
    constant: Mapping[str, float],
    rows: int,
    predictions: Array | None = None,
    targets: Sequence[Any] | Array | None = None,
) -> str | None:
    """Say why a model is no better than a constant prediction, or None if it is better.

    It is no better if its primary measure is not above the constant's by more than chance alone brings (see
    `deepcuts.tasks.Measure.chance`), or for a reason of its kind of task: it predicts one class for every
    row; the predictions of a regression hardly vary, or their squared error is not below the constant's.

    Args:
        kind: Name of the kind of task.
        primary: The measure that the task is judged by, higher is better.
        measures: What the model reaches, see `deepcuts.tasks.measure`.
        constant: What a constant prediction reaches, see `deepcuts.tasks.baseline`.
        rows: How many rows were measured on.
        predictions: What the model says of them, ``(rows, …)``; None where that is not known, and then
            only the measures are looked at.
        targets: ``(rows,)``; needed with the predictions of a regression.

    Returns:
        The reason in a few words.
    """
    return kind_named(kind).why_constant(primary, measures, constant, rows, predictions, targets)
