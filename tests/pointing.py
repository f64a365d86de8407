"""A kind of task from outside of the package: which word of a sentence is meant; its position is predicted.

It differs from the package's own wherever a kind can: another class of models, whose outputs have a row for
each token; a loss of its own; predictions as long as their text; a target that is neither class nor number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from deepcuts.tasks import (
    Measure,
    Schedule,
    Split,
    Task,
    TaskData,
    TaskKind,
    register_kind,
    register_task,
)
from deepcuts.tasks.kinds.kind import PADDING


@register_kind
class Pointing(TaskKind):
    """Targets are ``[word]``, its position; predictions are a score for each token, ``(rows, tokens)``."""

    name = "pointing"
    title = "one word of a text"
    measures: ClassVar = {
        "hits": Measure("hits, 0 to 1", is_share=True),
        "distance": Measure("distance, words", lower_is_better=True),
    }
    primary = "hits"
    constant_title = "most frequent position"
    constant_signs = "it points to one position in all rows"
    auto_model = "AutoModelForTokenClassification"

    def target_fault(self, task: Task, target: Any) -> str | None:
        return None if isinstance(target, list) and len(target) == 1 else f"is {target!r}, but it is [word]"

    def encode_target(self, target: Any) -> Any:
        return target[0]

    def outputs(self, task: Task) -> int:
        return 1

    def loss(self, output: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(self.predictions(output), labels + 1)  # after [CLS]

    def predictions(self, output: Any) -> Any:
        return output.logits[:, :, 0]

    def tell(self, predictions: Any, config: Any) -> list[dict[str, Any]]:
        return [{"word": int(row.argmax()) - 1} for row in predictions]

    def shapes(self, task: Task, rows: int) -> list[tuple[int | None, ...]]:
        return [(rows, None)]

    def measure(
        self, predictions: Any, targets: Any, counts: Any, names: Sequence[str]
    ) -> dict[str, np.ndarray[Any, Any]]:
        wrong = np.abs(_said(predictions) - np.asarray(targets).reshape(-1))
        per_row = {"hits": wrong == 0, "distance": wrong}
        return {name: counts @ per_row[name].astype(float) / counts.sum(axis=1) for name in names}

    def constant(self, task: Task, train: Split, rows: int) -> np.ndarray[Any, Any]:
        (position, _), *_ = Counter(target[0] for target in train.targets).most_common(1)
        return np.tile(np.eye(position + 2)[position + 1], (rows, 1))

    def why_constant(
        self,
        primary: str,
        measures: Mapping[str, float],
        constant: Mapping[str, float],
        rows: int,
        predictions: Any,
        targets: Any,
    ) -> str | None:
        if predictions is not None and np.ptp(_said(predictions)) == 0:
            return "it points to one position in all rows"
        return super().why_constant(primary, measures, constant, rows, predictions, targets)


def _said(predictions: Any) -> np.ndarray[Any, Any]:
    return np.where(predictions == PADDING, -np.inf, predictions).argmax(axis=1) - 1


#: Where is the "not"?
TASK = Task(
    name="point-to-not",
    kind="pointing",
    text_columns=("text",),
    label_column="target",
    primary="hits",
    schedule=Schedule(finetune_epochs=6, retrain_epochs=6, learning_rate=1e-2, batch_size=8),
)


def _rows(count: int, seed: int) -> Split:
    generator = np.random.default_rng(seed)
    texts, targets = [], []
    for _ in range(count):
        words = list(generator.choice(["dog", "cat", "cow", "hen"], generator.integers(2, 7)))
        position = int(generator.integers(0, len(words)))
        texts.append((" ".join([*words[:position], "not", *words[position:]]),))
        targets.append([position])
    return Split(tuple(texts), tuple(targets))


register_task(TASK, lambda folder, seed: TaskData(TASK, _rows(48, 1), _rows(24, 2), source="generated"))
