"""How good predictions are, and how good a constant prediction would be: the task's kind is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepcuts.common.errors import InputError
from deepcuts.tasks.kinds.kind import Array, all_kinds, kind_of
from deepcuts.tasks.kinds.measure import Measure
from deepcuts.tasks.task import Split, Task


def measure(task: Task, predictions: Array, targets: Sequence[Any] | Array) -> dict[str, float]:
    """Compare predictions with targets.

    Every correlation (Matthews, Pearson, Spearman) of a constant prediction is 0 here: dividing by its
    deviation, which is 0, would give NaN, but a constant tells nothing about the target, which is what a
    correlation of 0 says; and a collapsed model must come out last, not spoil a table or a comparison.

    Args:
        task: What was asked.
        predictions: Classification: logits, ``(rows, classes)``; the greatest wins, the first of equal
            ones. Regression: ``(rows,)`` or ``(rows, 1)``, in the units of the label. Other kinds of task say
            what theirs are.
        targets: ``(rows,)``: ids of classes, or numbers.

    Returns:
        Classification: ``accuracy``, ``matthews``, ``f1``, of class id 1 if there are two, else the
        unweighted mean over the classes that occur, and ``macro_f1``, that mean in any case. Regression:
        ``mse``, ``mae``, ``pearson`` and ``spearman``. All are finite Python floats; `deepcuts.tasks.Measure`
        says what each is.

    Raises:
        InputError: `predictions` have a wrong shape or are not finite.
    """
    import numpy as np

    kind, rows = kind_of(task), len(targets)
    shapes = kind.shapes(task, rows)
    if rows == 0 or not any(_matches(predictions.shape, shape) for shape in shapes):
        raise InputError(
            "predictions",
            predictions.shape,
            f"their shape must be {' or '.join(map(str, shapes)).replace('None', 'any')}, not empty",
        )
    finite = np.isfinite(predictions).reshape(rows, -1).all(axis=1)  # (rows,)
    if not finite.all():
        raise InputError(
            "predictions",
            predictions[int(np.argmin(finite))].tolist(),
            f"every one must be finite; {rows - int(finite.sum())} of {rows} rows are not, "
            f"the first is row {int(np.argmin(finite)) + 1}",
        )
    once = np.ones((1, kind.units(targets)))
    return {
        name: float(values[0])
        for name, values in kind.measure(
            predictions, targets, once, list(kind.measures_of(task.labels))
        ).items()
    }


def _matches(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size in (None, found) for found, size in zip(shape, wanted, strict=True)
    )


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
    return measure(task, kind_of(task).constant(task, train, len(dev)), dev.targets)


def described(name: str) -> Measure:
    """A measure by its name, of whichever kind of task has it.

    Raises:
        InputError: There is no such measure.
    """
    known = {name: measure for kind in all_kinds() for name, measure in kind.measures.items()}
    if name not in known:
        raise InputError("measure", name, f"the measures are {', '.join(known)}")
    return known[name]
