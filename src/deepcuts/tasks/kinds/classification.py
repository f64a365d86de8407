"""One class of several for each text or pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks.kinds.kind import Array, TaskKind
from deepcuts.tasks.kinds.measure import MACRO_F1, Measure
from deepcuts.tasks.kinds.registry import register_kind
from deepcuts.tasks.kinds.weighting import balanced
from deepcuts.tasks.labels import Match, match_labels
from deepcuts.tasks.task import Split, Task
from deepcuts.tasks.values import class_name, class_names, number_of

LABELS_SHOWN = 10  # an error about a label lists no more than this many allowed ones


@register_kind
class Classification(TaskKind):
    """Targets are ids of classes; predictions are logits, ``(rows, classes)``, of which the greatest wins."""

    name = "classification"
    title = "one class of several"
    measures: ClassVar = {
        "accuracy": Measure("accuracy, 0 to 1", is_share=True),
        "matthews": Measure("Matthews correlation, -1 to 1"),
        "f1": Measure("F1 (second class of two, else macro average), 0 to 1", is_share=True, is_drawn=False),
        "macro_f1": MACRO_F1,
    }
    primary = "accuracy"
    constant_title = "majority class"
    constant_signs = "it predicts one class for all rows"

    def check_task(self, task: Task) -> None:
        """Refuse fewer than two classes, or two of one name."""
        if not 2 <= len(task.labels) == len(set(task.labels)):
            raise InputError("labels", task.labels, "a classification needs at least two, all different")

    def target_fault(self, task: Task, target: Any) -> str | None:
        """A target is the id of a class."""
        if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(task.labels):
            return None
        shown = ", ".join(f"{label!r} (id {i})" for i, label in enumerate(task.labels[:LABELS_SHOWN]))
        more = f", … ({len(task.labels)} in all)" if len(task.labels) > LABELS_SHOWN else ""
        return f"is {target!r}, but allowed are {shown}{more}"

    def shown(self, task: Task, target: Any) -> str:
        """The class's name."""
        return task.labels[int(target)]

    def target_text(self, target: Any) -> str:
        """The id."""
        return repr(int(target))

    def stratum(self, target: Any) -> int:
        """The class."""
        return int(target)

    def likeness(self, values: Sequence[Any]) -> int:
        """Any labels may be names of classes."""
        return 1

    def labels_of(self, values: Sequence[Any], where: str, column: str) -> tuple[str, ...]:
        """The distinct labels: numbers in numeric order, else names in alphabetical order."""
        labels = class_names(values)
        if len(labels) < 2:
            found = f"only {labels[0]!r}" if labels else "none"
            raise DataError(f"{where}: at least two classes are needed, but column {column!r} has {found}")
        return labels

    def why(self, values: Sequence[Any]) -> str:
        """Because of names; or of whole numbers, which may be quantities as well."""
        names = class_names(values)
        numbers = all(number_of(name) is not None for name in names)
        return f"they are {len(names):,} different {'whole numbers' if numbers else 'names'}"

    def summary(self, task: Task, targets: Sequence[Any]) -> str:
        """How many rows each class has."""
        counts = Counter(int(target) for target in targets)
        named = [f"{label!r} {counts[index]:,}" for index, label in enumerate(task.labels)]
        more = f", … ({len(named)} classes)" if len(named) > LABELS_SHOWN else ""
        return ", ".join(named[:LABELS_SHOWN]) + more

    def target_of(self, task: Task, value: Any) -> Any:
        """The id of the class that the file calls so."""
        name = class_name(value)
        if name is None:
            return value
        try:
            return task.labels.index(name)
        except ValueError:
            return name

    def encode_target(self, target: Any) -> int:
        """The id."""
        return int(target)

    def outputs(self, task: Task) -> int:
        """One for each class."""
        return len(task.labels)

    def configure(self, config: Any, task: Task) -> None:
        """The classes' names give the number of outputs."""
        config.id2label = dict(enumerate(task.labels))
        config.label2id = {label: index for index, label in enumerate(task.labels)}
        config.problem_type = "single_label_classification"

    def match(self, task: Task, config: Any) -> Match:
        """Classes are matched by name, see `deepcuts.tasks.labels.match_labels`."""
        return match_labels(task.name, task.labels, config)

    def recognises(self, config: Any) -> bool:
        """Several outputs, unless the configuration says that they are something else."""
        return config.problem_type in (None, "single_label_classification") and config.num_labels > 1

    def class_weights(self, task: Task, targets: Sequence[Any]) -> list[float] | None:
        """Balanced ones, see `deepcuts.tasks.kinds.weighting`."""
        return balanced(len(task.labels), targets)

    def tell(self, predictions: Any, config: Any) -> list[dict[str, Any]]:
        """The likeliest class, and the probability of each, the likeliest first."""
        found = []
        for row in predictions.softmax(-1).tolist():
            scores = {str(config.id2label[index]): share for index, share in enumerate(row)}
            ordered = dict(sorted(scores.items(), key=lambda item: -item[1]))
            label = next(iter(ordered))
            found.append({"label": label, "score": ordered[label], "scores": ordered})
        return found

    def shapes(self, task: Task, rows: int) -> list[tuple[int | None, ...]]:
        """Logits."""
        return [(rows, len(task.labels))]

    def measure(
        self, predictions: Array, targets: Sequence[Any] | Array, counts: Array, names: Sequence[str]
    ) -> dict[str, Array]:
        """All measures are read off one table of how often each class was predicted for each."""
        import numpy as np

        from deepcuts.tasks import formulas

        table = formulas.confusion(
            predictions.argmax(axis=1), np.asarray(targets), predictions.shape[1], counts
        )
        functions = {
            "accuracy": formulas.accuracy,
            "matthews": formulas.matthews,
            "f1": formulas.f1,
            "macro_f1": formulas.macro_f1,
        }
        return {name: functions[name](table) for name in names}

    def constant(self, task: Task, train: Split, rows: int) -> Array:
        """The most frequent class, the lowest id of equally frequent ones."""
        import numpy as np

        counts = Counter(int(target) for target in train.targets)
        majority = min(counts, key=lambda label: (-counts[label], label))
        return np.eye(len(task.labels))[[majority] * rows]

    def why_constant(
        self,
        primary: str,
        measures: Mapping[str, float],
        constant: Mapping[str, float],
        rows: int,
        predictions: Array | None,
        targets: Sequence[Any] | Array | None,
    ) -> str | None:
        """It also is if it predicts one class for every row."""
        if predictions is not None and len(set(predictions.argmax(axis=1).tolist())) == 1:
            return "it predicts one class for every row"
        return super().why_constant(primary, measures, constant, rows, predictions, targets)
