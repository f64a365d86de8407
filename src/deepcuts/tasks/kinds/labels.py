"""Any number of labels for each text or pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks.kinds import divergence
from deepcuts.tasks.kinds.kind import Array, TaskKind
from deepcuts.tasks.kinds.measure import MACRO_F1, Measure
from deepcuts.tasks.kinds.registry import register_kind
from deepcuts.tasks.labels import Match, match_labels, shown
from deepcuts.tasks.task import Split, Task
from deepcuts.tasks.values import class_name, class_names, number_of

#: A label is predicted where its probability is above this, which is where its logit is above 0.
THRESHOLD = 0.5


@register_kind
class Labels(TaskKind):
    """Targets are a 1 or 0 for each label, ``(0, 1, 1)``; predictions are logits, ``(rows, labels)``.

    In a file a row's labels are a list of names or numbers; one text with commas between them, empty where
    there is none; or a column each, which holds 1 or 0 (``--label first,second``).
    """

    name = "labels"
    title = f"any number of labels, each predicted where its probability is above {THRESHOLD}"
    measures: ClassVar = {
        "micro_f1": Measure("F1 over all labels of all rows, 0 to 1", is_share=True),
        "macro_f1": replace(MACRO_F1, is_drawn=True),
        "ranking_precision": Measure(
            "label ranking average precision, 0 to 1", is_share=True, is_drawn=False
        ),
    }
    primary = "micro_f1"
    constant_title = "most frequent labels"
    constant_signs = "it predicts the same labels for all rows"
    divergence = staticmethod(divergence.of_labels)

    def check_task(self, task: Task) -> None:
        """Refuse a task without labels, or with two of one name."""
        if not 1 <= len(task.labels) == len(set(task.labels)):
            raise InputError("labels", task.labels, "at least one is needed, all different")

    def target_fault(self, task: Task, target: Any) -> str | None:
        """A target says of each label whether it is one of the row's."""
        if isinstance(target, tuple) and len(target) == len(task.labels) and set(target) <= {0, 1}:
            return None
        names = list(target) if isinstance(target, Mapping) else _names(target)
        if names is None:
            return f"is {target!r}, but it must be a list of labels, or labels with commas between them"
        if unknown := [name for name in names if name not in task.labels]:
            return f"names {shown(unknown)}, but allowed are {shown(task.labels)}"
        if wrong := {name: cell for name, cell in dict(target).items() if _is_one(cell) is None}:
            return f"is {wrong!r}, but each label must be 1 or 0"
        return f"lacks {shown([label for label in task.labels if label not in names])}"

    def shown(self, task: Task, target: Any) -> Any:
        """The names of the row's labels."""
        return [name for name, has in zip(task.labels, target, strict=True) if has]

    def target_text(self, target: Any) -> str:
        """A digit a label."""
        return "".join(str(int(has)) for has in target)

    def stratum(self, target: Any) -> int:
        """The first label: rows of a rare combination would be in no part if combinations were strata."""
        return next((index for index, has in enumerate(target) if has), -1)

    def likeness(self, values: Sequence[Any]) -> int:
        """Lists, or a column a label."""
        held = [value for value in values if value is not None]
        return 3 if held and all(isinstance(value, list | tuple | Mapping) for value in held) else 0

    def why(self, values: Sequence[Any]) -> str:
        """Because nothing else has several a row."""
        columns = any(isinstance(value, Mapping) for value in values)
        return f"they are {'a column each' if columns else 'lists'}"

    def labels_of(self, values: Sequence[Any], where: str, column: str) -> tuple[str, ...]:
        """Columns in their order; else the distinct labels, numbers in numeric order, else alphabetically."""
        columns = tuple(dict.fromkeys(name for one in values if isinstance(one, Mapping) for name in one))
        labels = columns or class_names([name for value in values for name in _names(value) or ()])
        if not labels:
            raise DataError(f"{where}: no row has a label in column {column!r}")
        return labels

    def target_of(self, task: Task, value: Any) -> Any:
        """A 1 for each label that the row has; what is no list of labels, or names another, as it is."""
        if isinstance(value, Mapping):
            has = {name: _is_one(cell) for name, cell in value.items()}
            right = set(has) == set(task.labels) and None not in has.values()
            return tuple(int(bool(has[label])) for label in task.labels) if right else value
        names = _names(value)
        if names is None or not set(names) <= set(task.labels):
            return value
        return tuple(int(label in names) for label in task.labels)

    def summary(self, task: Task, targets: Sequence[Any]) -> str:
        """How many rows have each label, and how many have none or several."""
        counts = Counter(name for target in targets for name in self.shown(task, target))
        most = [f"{name!r} {counts[name]:,}" for name in task.labels[:10]]
        more = f", … ({len(task.labels)} labels)" if len(task.labels) > 10 else ""
        sizes = [sum(target) for target in targets]
        several, none = sum(size > 1 for size in sizes), sizes.count(0)
        return f"{', '.join(most)}{more}; {several:,} rows with several, {none:,} with none"

    def encode_target(self, target: Any) -> list[float]:
        """As the loss, binary cross-entropy, takes it."""
        return [float(has) for has in target]

    def outputs(self, task: Task) -> int:
        """One for each label."""
        return len(task.labels)

    def configure(self, config: Any, task: Task) -> None:
        """The labels' names give the number of outputs; each has a binary cross-entropy of its own."""
        config.id2label = dict(enumerate(task.labels))
        config.label2id = {label: index for index, label in enumerate(task.labels)}
        config.problem_type = "multi_label_classification"

    def match(self, task: Task, config: Any) -> Match:
        """Labels are matched by name, see `deepcuts.tasks.labels.match_labels`."""
        return match_labels(task.name, task.labels, config)

    def recognises(self, config: Any) -> bool:
        """What its configuration says."""
        return bool(config.problem_type == "multi_label_classification")

    def tell(self, predictions: Any, config: Any) -> list[dict[str, Any]]:
        """The labels above the threshold, and the probability of each, the likeliest first.

        Probabilities are independent of each other: they don't add up to 1.
        """
        found = []
        for row in predictions.sigmoid().tolist():
            scores = {str(config.id2label[index]): share for index, share in enumerate(row)}
            ordered = dict(sorted(scores.items(), key=lambda item: -item[1]))
            above = [name for name, share in ordered.items() if share > THRESHOLD]
            found.append({"labels": above, "threshold": THRESHOLD, "scores": ordered})
        return found

    def shapes(self, task: Task, rows: int) -> list[tuple[int | None, ...]]:
        """Logits."""
        return [(rows, len(task.labels))]

    def measure(
        self, predictions: Array, targets: Sequence[Any] | Array, counts: Array, names: Sequence[str]
    ) -> dict[str, Array]:
        """F1 of the labels above the threshold; the ranking reads the order of the logits alone."""
        import numpy as np

        from deepcuts.tasks import formulas

        has, said = np.asarray(targets) > THRESHOLD, predictions > 0
        right = counts @ (has & said).astype(np.float64)  # (replicates, labels)
        named = counts @ (has.astype(np.float64) + said)
        functions = {
            "micro_f1": lambda: formulas.f1_of_counts(right.sum(axis=1), named.sum(axis=1)),
            "macro_f1": lambda: formulas.mean_over_occurring(formulas.f1_of_counts(right, named), named),
            "ranking_precision": lambda: formulas.mean(formulas.ranking_precision(predictions, has), counts),
        }
        return {name: functions[name]() for name in names}

    def constant(self, task: Task, train: Split, rows: int) -> Array:
        """The most frequent labels, as many as give the best `micro_f1`, ranked by their frequency."""
        import numpy as np

        often = np.sum(np.asarray(train.targets, dtype=np.float64), axis=0)  # (labels,)
        order = np.argsort(-often, kind="stable")
        taken = np.arange(1, len(order) + 1)
        reached = 2 * np.cumsum(often[order]) / (taken * len(train) + often.sum())
        ranked = np.empty(len(order))
        # Above 0 for those that are predicted, and the higher the more frequent.
        ranked[order] = int(np.argmax(reached)) + 0.5 - np.arange(len(order))
        return np.tile(ranked, (rows, 1))

    def why_constant(
        self,
        primary: str,
        measures: Mapping[str, float],
        constant: Mapping[str, float],
        rows: int,
        predictions: Array | None,
        targets: Sequence[Any] | Array | None,
    ) -> str | None:
        """It also is if it predicts the same labels for every row."""
        if predictions is not None and bool(((predictions > 0) == (predictions[:1] > 0)).all()):
            return "it predicts the same labels for every row"
        return super().why_constant(primary, measures, constant, rows, predictions, targets)


def _names(value: Any) -> list[str] | None:
    """The labels of a row as a file holds them; None where it says nothing of labels."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    elif isinstance(value, int | float):
        value = [value]
    if not isinstance(value, list | tuple):
        return None
    names = [class_name(one) for one in value]
    return None if None in names else [name for name in names if name is not None]


def _is_one(value: Any) -> bool | None:
    """What the cell of a label's own column says; None where it is neither 1 nor 0, true nor false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    number = number_of(value)
    return bool(number) if number in (0, 1) else None
