"""A number for each text or pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from deepcuts.tasks.kinds import divergence
from deepcuts.tasks.kinds.kind import Array, TaskKind
from deepcuts.tasks.kinds.measure import Measure
from deepcuts.tasks.kinds.registry import register_kind
from deepcuts.tasks.task import Split, Task
from deepcuts.tasks.values import class_name, number_of

#: Predictions that deviate less than this share of the targets' deviation are a constant's.
CONSTANT_SPREAD = 0.05
MOST_CLASSES = 20  # more distinct whole numbers than this are taken for quantities, not classes


@register_kind
class Regression(TaskKind):
    """Targets are numbers; predictions are numbers in the same unit, ``(rows, 1)`` or ``(rows,)``."""

    name = "regression"
    title = "a number"
    reads_numbers = True
    measures: ClassVar = {
        "mse": Measure("mean squared error, squared units of the label", lower_is_better=True),
        "mae": Measure("mean absolute error, units of the label", lower_is_better=True, is_drawn=False),
        "pearson": Measure("Pearson correlation, -1 to 1"),
        "spearman": Measure("Spearman correlation, -1 to 1"),
    }
    primary = "pearson"
    divergence = staticmethod(divergence.of_numbers)
    constant_title = "mean of the targets"
    constant_signs = (
        f"its predictions vary by less than {CONSTANT_SPREAD:.0%} of what the targets do or their squared "
        "error is not below a constant's"
    )

    def target_fault(self, task: Task, target: Any) -> str | None:
        """A target is a finite number, within the task's range if it has one."""
        low, high = task.output_range or (-math.inf, math.inf)
        is_number = isinstance(target, int | float) and not isinstance(target, bool)
        if is_number and math.isfinite(target) and low <= target <= high:
            return None
        span = f" from {low:g} to {high:g}" if task.output_range else ""
        return f"is {target!r}, but it must be a finite number{span}"

    def target_text(self, target: Any) -> str:
        """The number."""
        return repr(float(target))

    def likeness(self, values: Sequence[Any]) -> int:
        """Numbers, of which one is not whole, or of which there are too many for classes."""
        numbers = {number_of(value) for value in values if class_name(value) is not None}
        if None in numbers:
            return 0
        has_fraction = any(number is not None and not number.is_integer() for number in numbers)
        return 2 if has_fraction or len(numbers) > MOST_CLASSES else 0

    def why(self, values: Sequence[Any]) -> str:
        """Because of a fraction, or of too many different whole numbers, which may be classes as well."""
        numbers = {number for value in values if (number := number_of(value)) is not None}
        if any(not number.is_integer() for number in numbers):
            return "they are numbers, and not all whole"
        return f"they are {len(numbers):,} different whole numbers, more than {MOST_CLASSES}"

    def summary(self, task: Task, targets: Sequence[Any]) -> str:
        """Least, mean and greatest."""
        numbers = [float(target) for target in targets]
        return f"{min(numbers):g} to {max(numbers):g}, mean {sum(numbers) / len(numbers):.4g}"

    def target_of(self, task: Task, value: Any) -> Any:
        """The number."""
        number = number_of(value)
        return value if number is None else number

    def encode_target(self, target: Any) -> float:
        """The number."""
        return float(target)

    def outputs(self, task: Task) -> int:
        """One."""
        return 1

    def configure(self, config: Any, task: Task) -> None:
        """One output, whose loss is the squared error."""
        config.num_labels, config.problem_type = 1, "regression"

    def recognises(self, config: Any) -> bool:
        """A single output is a number, unless the configuration says that it is something else."""
        return config.num_labels == 1 and config.problem_type in (None, "regression")

    def tell(self, predictions: Any, config: Any) -> list[dict[str, Any]]:
        """The number."""
        return [{"value": value} for value in predictions[:, 0].tolist()]

    def shapes(self, task: Task, rows: int) -> list[tuple[int | None, ...]]:
        """A number a row."""
        return [(rows,), (rows, 1)]

    def measure(
        self, predictions: Array, targets: Sequence[Any] | Array, counts: Array, names: Sequence[str]
    ) -> dict[str, Array]:
        """In double precision, whatever the predictions are in."""
        import numpy as np

        from deepcuts.tasks import formulas

        said = predictions.reshape(len(targets)).astype(np.float64)
        wanted = np.asarray(targets, dtype=np.float64)
        functions = {
            "mse": lambda: formulas.mean((said - wanted) ** 2, counts),
            "mae": lambda: formulas.mean(np.abs(said - wanted), counts),
            "pearson": lambda: formulas.pearson(said, wanted, counts),
            "spearman": lambda: formulas.spearman(said, wanted, counts),
        }
        return {name: functions[name]() for name in names}

    def constant(self, task: Task, train: Split, rows: int) -> Array:
        """The mean of the targets."""
        import numpy as np

        return np.full(rows, np.mean(train.targets))

    def why_constant(
        self,
        primary: str,
        measures: Mapping[str, float],
        constant: Mapping[str, float],
        rows: int,
        predictions: Array | None,
        targets: Sequence[Any] | Array | None,
    ) -> str | None:
        """It also is if its predictions hardly vary, or their squared error is not below a constant's."""
        if predictions is not None and targets is not None:
            import numpy as np

            spread = float(np.std(np.asarray(targets, dtype=np.float64)))
            if float(np.std(predictions.astype(np.float64))) < CONSTANT_SPREAD * spread:
                return f"its predictions vary by less than {CONSTANT_SPREAD:.0%} of what the targets do"
        why = super().why_constant(primary, measures, constant, rows, predictions, targets)
        if why is None and measures["mse"] >= constant["mse"]:
            why = f"its squared error, {measures['mse']:.3f}, is not below a constant's {constant['mse']:.3f}"
        return why
