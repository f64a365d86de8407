"""Whether a model is as good as constant: what a training that never left its plateau ends as."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from deepcuts.tasks.task import Kind

#: A regression whose predictions deviate less than this share of the targets' deviation is constant.
CONSTANT_SPREAD = 0.05
#: A measure so little above the constant's counts as the constant's, however many rows there are.
NEAR_CONSTANT = 0.01
_CORRELATIONS = frozenset({"matthews", "pearson", "spearman"})


def why_constant(
    kind: Kind,
    primary: str,
    measures: Mapping[str, float],
    constant: Mapping[str, float],
    rows: int,
    predictions: np.ndarray | None = None,
    targets: Sequence[int | float] | np.ndarray | None = None,
) -> str | None:
    """Say why a model is no better than a constant prediction, or None if it is better.

    It is no better if its primary measure is not above the constant's by more than chance alone brings
    (two standard errors of predictions that know nothing of the targets, and at least `NEAR_CONSTANT`); if
    it predicts one class for every row; or, for a regression, if its predictions hardly vary
    (`CONSTANT_SPREAD`) or their squared error is not below the constant's.

    Args:
        kind: Of the task.
        primary: The measure that the task is judged by, higher is better.
        measures: What the model reaches, see `deepcuts.tasks.measure`.
        constant: What a constant prediction reaches, see `deepcuts.tasks.baseline`.
        rows: How many rows were measured on.
        predictions: What the model says of them, ``(rows, outputs)``; None where that is not known, and then
            only the measures are looked at.
        targets: ``(rows,)``; needed with the predictions of a regression.

    Returns:
        The reason in a few words.
    """
    if predictions is not None and kind == "classification" and np.ptp(predictions.argmax(axis=1)) == 0:
        return "it predicts one class for every row"
    if predictions is not None and targets is not None and kind == "regression":
        spread = float(np.std(np.asarray(targets, dtype=np.float64)))
        if float(np.std(predictions.astype(np.float64))) < CONSTANT_SPREAD * spread:
            return f"its predictions vary by less than {CONSTANT_SPREAD:.0%} of what the targets do"
    value, least = measures[primary], constant[primary]
    if value <= least + chance(primary, least, rows):
        return f"{primary} {value:.4f} is within chance of a constant's {least:.4f}"
    if kind == "regression" and measures["mse"] >= constant["mse"]:
        return f"its squared error, {measures['mse']:.3f}, is not below a constant's {constant['mse']:.3f}"
    return None


def chance(measure: str, constant: float, rows: int) -> float:
    """How far above a constant's a measure may lie by chance: two standard errors, at least `NEAR_CONSTANT`.

    Args:
        measure: Its name. A correlation of independent values has a standard error of ``1 / sqrt(rows)``,
            a share (accuracy, F1) one of ``sqrt(p (1 - p) / rows)``.
        constant: What the constant reaches.
        rows: How many rows were measured on.
    """
    variance = 1.0 if measure in _CORRELATIONS else max(0.0, constant * (1 - constant))
    return max(NEAR_CONSTANT, 2 * math.sqrt(variance / rows))
