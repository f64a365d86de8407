"""How good predictions are, and how good a constant prediction would be."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deepcuts.common.errors import InputError
from deepcuts.tasks.task import Split, Task

LOWER_IS_BETTER = frozenset({"mse", "mae"})

_DESCRIPTIONS = {
    "accuracy": "accuracy, 0 to 1",
    "matthews": "Matthews correlation, -1 to 1",
    "f1": "F1 (second class of two, else macro average), 0 to 1",
    "mse": "mean squared error, squared units of the label",
    "mae": "mean absolute error, units of the label",
    "pearson": "Pearson correlation, -1 to 1",
    "spearman": "Spearman correlation, -1 to 1",
}


def measure(
    task: Task, predictions: np.ndarray, targets: Sequence[int | float] | np.ndarray
) -> dict[str, float]:
    """Compare predictions with targets.

    Every correlation (Matthews, Pearson, Spearman) of a constant prediction is 0 here: dividing by its
    deviation, which is 0, would give NaN, but a constant tells nothing about the target, which is what a
    correlation of 0 says; and a collapsed model must come out last, not spoil a table or a comparison.

    Args:
        task: What was asked.
        predictions: Classification: logits, ``(rows, classes)``; the greatest wins, the first of equal
            ones. Regression: ``(rows,)`` or ``(rows, 1)``, in the units of the label.
        targets: ``(rows,)``: ids of classes, or numbers.

    Returns:
        Classification: ``accuracy``, ``matthews``, and ``f1``, of class id 1 if there are two, else the
        unweighted mean over the classes that occur. Regression: ``mse``, ``mae``, ``pearson`` and
        ``spearman``. All are finite Python floats; `LOWER_IS_BETTER` names those to be small.

    Raises:
        InputError: `predictions` have a wrong shape or are not finite.
    """
    rows = len(targets)
    shapes = [(rows, len(task.labels))] if task.kind == "classification" else [(rows,), (rows, 1)]
    if rows == 0 or predictions.shape not in shapes:
        raise InputError(
            "predictions",
            predictions.shape,
            f"their shape must be {' or '.join(map(str, shapes))}, not empty",
        )
    finite = np.isfinite(predictions).reshape(rows, -1).all(axis=1)  # (rows,)
    if not finite.all():
        raise InputError(
            "predictions",
            predictions[int(np.argmin(finite))].tolist(),
            f"every one must be finite; {rows - int(finite.sum())} of {rows} rows are not, "
            f"the first is row {int(np.argmin(finite)) + 1}",
        )
    if task.kind == "classification":
        return _classification(predictions.argmax(axis=1), np.asarray(targets), len(task.labels))
    return _regression(predictions.reshape(rows).astype(np.float64), np.asarray(targets, dtype=np.float64))


def baseline(task: Task, train: Split, dev: Split) -> dict[str, float]:
    """Measure, on `dev`, the best prediction that does not look at the text.

    Args:
        task: What is asked.
        train: Rows whose most frequent class (the lowest id of equally frequent ones), or whose mean
            target, is predicted for every row.
        dev: Rows to measure on.

    Returns:
        What `measure` returns for that prediction.

    Raises:
        InputError: A split is empty.
    """
    if not len(train):
        raise InputError("train", 0, "at least one row is needed")
    if task.kind == "regression":
        return measure(task, np.full(len(dev), np.mean(train.targets)), dev.targets)
    counts = Counter(int(target) for target in train.targets)
    majority = min(counts, key=lambda label: (-counts[label], label))
    return measure(task, np.eye(len(task.labels))[[majority] * len(dev)], dev.targets)


def describe(name: str) -> str:
    """Return a measure's full name with its units or range.

    Raises:
        InputError: There is no such measure.
    """
    if name not in _DESCRIPTIONS:
        raise InputError("measure", name, f"the measures are {', '.join(_DESCRIPTIONS)}")
    return _DESCRIPTIONS[name]


def _classification(predicted: np.ndarray, targets: np.ndarray, classes: int) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    average = "binary" if classes == 2 else "macro"
    with warnings.catch_warnings():
        # sklearn warns where predictions and targets are all of one class; the 0 it then gives is meant.
        warnings.simplefilter("ignore", UserWarning)
        return {
            "accuracy": float(accuracy_score(targets, predicted)),
            "matthews": float(matthews_corrcoef(targets, predicted)),
            "f1": float(f1_score(targets, predicted, average=average, zero_division=0)),
        }


def _regression(predicted: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    from scipy.stats import pearsonr, spearmanr

    errors = predicted - targets
    return {
        "mse": float(np.mean(errors**2)),
        "mae": float(np.mean(np.abs(errors))),
        "pearson": _correlation(pearsonr, predicted, targets),
        "spearman": _correlation(spearmanr, predicted, targets),
    }


def _correlation(correlate: Callable[..., Any], predicted: np.ndarray, targets: np.ndarray) -> float:
    if np.ptp(predicted) == 0 or np.ptp(targets) == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of nearly constant input
        return float(np.nan_to_num(correlate(predicted, targets).statistic))
