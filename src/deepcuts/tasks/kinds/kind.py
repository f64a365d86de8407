"""What a kind of task says of itself. Whoever needs to know asks it; nobody else names a kind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from deepcuts.common.errors import InputError
from deepcuts.tasks.kinds import divergence, registry
from deepcuts.tasks.kinds.measure import Measure
from deepcuts.tasks.kinds.padding import PADDING as PADDING
from deepcuts.tasks.kinds.padding import join_padded
from deepcuts.tasks.kinds.rows import Rows
from deepcuts.tasks.labels import Match
from deepcuts.tasks.task import Split, Task

if TYPE_CHECKING:  # what kinds there are is asked by commands that only print their help
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"


class TaskKind(Rows):
    """A kind of task: a subclass in a file of its own, with the decorator `register_kind`.

    How its rows are read and checked is in `deepcuts.tasks.kinds.rows.Rows`, the other half of it.

    What has a body here fits a model of Transformers that gives a row of numbers for each text or pair; a
    kind that differs says so. Targets may be anything that JSON holds. Predictions are one array whose first
    dimension is rows; where rows differ in length, they are padded with `PADDING`, as the Trainer does.

    Attributes:
        title: For people, a few words.
        measures: Name → measure.
        primary: The measure that a task from files is judged by; higher is better.
        constant_title: What its constant baseline predicts, such as ``"majority class"``.
        constant_signs: Why else than by its primary measure a model is as good as constant, after "or if".
        auto_model: The class of Transformers that loads its models.
        divergence: How far predictions are from a teacher's, see `deepcuts.tasks.kinds.divergence`.
    """

    title: ClassVar[str]
    measures: ClassVar[Mapping[str, Measure]]
    primary: ClassVar[str]
    constant_title: ClassVar[str]
    constant_signs: ClassVar[str] = ""
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"
    divergence = staticmethod(divergence.of_classes)

    # Tokens and batches

    def encode(
        self, task: Task, split: Split, tokenizer: Any, length: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Tokenise rows.

        Args:
            task: The task.
            split: Its rows.
            tokenizer: A Hugging Face tokenizer.
            length: Tokens of a row at most; longer ones are cut.

        Returns:
            Per row what `collate` takes, its target under ``labels``, all as JSON can hold it; and how many
            rows were cut.
        """
        columns = [list(column) for column in zip(*split.texts, strict=True)]
        encoded = tokenizer(*columns, truncation=True, max_length=length)
        names = list(encoded.keys())
        rows = [
            {**{name: encoded[name][index] for name in names}, "labels": self.encode_target(target)}
            for index, target in enumerate(split.targets)
        ]
        return rows, sum(bool(encoding.overflowing) for encoding in encoded.encodings or [])

    def encode_target(self, target: Any) -> Any:
        """A target as `collate` takes it."""
        return target

    def collate(self, rows: Sequence[Mapping[str, Any]], tokenizer: Any) -> dict[str, Any]:
        """A batch of tokenised rows, padded to its longest: tensors ``(rows, tokens)``, and ``labels``."""
        features = [{name: value for name, value in row.items() if name != "labels"} for row in rows]
        batch: dict[str, Any] = dict(tokenizer.pad(features, return_tensors="pt"))
        batch["labels"] = self.tensor([row["labels"] for row in rows])
        return batch

    def tensor(self, targets: Sequence[Any]) -> Any:
        """Targets of tokenised rows as one tensor, ``(rows, …)``."""
        import torch

        return torch.tensor(list(targets))

    # The model

    def model_class(self) -> Any:
        """What has ``from_pretrained`` and ``from_config``, as the auto classes of Transformers have."""
        import transformers

        return getattr(transformers, self.auto_model)

    @abstractmethod
    def outputs(self, task: Task) -> int:
        """How many outputs the head of a model for the task has."""

    def configure(self, config: Any, task: Task) -> None:
        """Prepare a model's configuration for the task, before a fresh head is made by it."""
        config.num_labels = self.outputs(task)

    def match(self, task: Task, config: Any) -> Match:
        """Which output of a model means which class; a ModelError where they mean something else."""
        return Match()

    def recognises(self, config: Any) -> bool:
        """Whether a saved model whose configuration names no kind is one of this kind."""
        return False

    def loss(self, output: Any, labels: Any) -> Any:
        """The loss of a batch, a scalar tensor, where a model has none of its own that is meant.

        Overridden, the model is called without ``labels``, and this is the loss that it then gives.

        Args:
            output: What the model returns.
            labels: The batch's, as `collate` makes them.
        """
        raise NotImplementedError

    def class_weights(self, task: Task, targets: Sequence[Any]) -> list[float] | None:
        """A weight a class, the rarer the higher and 1 for the mean row; None for a kind without classes."""
        return None

    # Predictions

    def predictions(self, output: Any) -> Any:
        """What the model says of a batch, from what it returns: a tensor ``(rows, …)``."""
        return output.logits

    def join(self, parts: Sequence[Any]) -> Any:
        """The predictions of several batches as one tensor, padded where they differ in size."""
        return join_padded(parts)

    @abstractmethod
    def tell(self, predictions: Any, config: Any) -> list[dict[str, Any]]:
        """What a person is told of a batch's predictions: for each row what stands in JSON beside its text.

        Args:
            predictions: See `predictions`, in float32 on the CPU.
            config: The model's.
        """

    def tell_texts(
        self, predictions: Any, config: Any, texts: Sequence[Any], encodings: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """What `tell` does, by a kind that speaks of parts of a text.

        Args:
            predictions: As there.
            config: As there.
            texts: The batch's, each a text or a pair of them.
            encodings: What a fast tokenizer says of each, `tokenizers.Encoding`; empty if it is none.
        """
        return self.tell(predictions, config)

    # Measures

    def measures_of(self, labels: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of a task with these classes."""
        return self.measures

    def primary_of(self, labels: Sequence[str]) -> str:
        """The measure that a task from files with these classes is judged by."""
        return self.primary

    def units(self, targets: Sequence[Any] | Array) -> int:
        """How many units a bootstrap draws from, such as rows; `measure` takes a count for each."""
        return len(targets)

    @abstractmethod
    def shapes(self, task: Task, rows: int) -> list[tuple[int | None, ...]]:
        """The shapes that predictions of so many rows may have; None stands for any number."""

    @abstractmethod
    def measure(
        self, predictions: Array, targets: Sequence[Any] | Array, counts: Array, names: Sequence[str]
    ) -> dict[str, Array]:
        """Measure predictions on several weightings of the same units at once.

        Args:
            predictions: ``(rows, …)``, finite.
            targets: One a row.
            counts: ``(replicates, units)`` of float64: how often each unit counts.
            names: Of `measures`.

        Returns:
            Measure → ``(replicates,)``, finite.
        """

    @abstractmethod
    def constant(self, task: Task, train: Split, rows: int) -> Array:
        """Predictions, for so many rows, of the best constant that the training rows suggest."""

    def why_constant(
        self,
        primary: str,
        measures: Mapping[str, float],
        constant: Mapping[str, float],
        rows: int,
        predictions: Array | None,
        targets: Sequence[Any] | Array | None,
    ) -> str | None:
        """See `deepcuts.tasks.why_constant`; here: the primary measure is within chance of a constant's."""
        value, least = measures[primary], constant[primary]
        if value <= least + self.measures[primary].chance(least, rows):
            return f"{primary} {value:.4f} is within chance of a constant's {least:.4f}"
        return None

    def described(self, name: str) -> Measure:
        """A measure by its name.

        Raises:
            InputError: This kind has none of that name.
        """
        if name not in self.measures:
            raise InputError("measure", name, f"the measures are {', '.join(self.measures)}")
        return self.measures[name]

    @property
    def has_own_loss(self) -> bool:
        """Whether `loss` takes the place of the model's."""
        return type(self).loss is not TaskKind.loss


def kind_named(name: str) -> TaskKind:
    """The kind of task of that name.

    Raises:
        InputError: There is none.
    """
    return cast(TaskKind, registry.find(name))


def kind_of(task: Task) -> TaskKind:
    """A task's kind."""
    return kind_named(task.kind)


def all_kinds() -> list[TaskKind]:
    """All kinds of task."""
    return registry.find_all()
