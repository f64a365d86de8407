"""What a task is, and the one place where its data is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks.kinds import registry

Unit = Literal["row", "line", "sentence"]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a task is trained.

    Attributes:
        finetune_epochs: Epochs of the first fine-tuning, before pruning.
        retrain_epochs: Epochs of the retraining after pruning.
        learning_rate: Adam's learning rate, in both.
        batch_size: Rows per batch, in both.
    """

    finetune_epochs: float
    retrain_epochs: float
    learning_rate: float
    batch_size: int = 16


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of a model, apart from the data.

    Attributes:
        name: Short name, such as "cola".
        kind: Name of the kind of task, see `deepcuts.tasks.kinds`.
        text_columns: Names of the columns holding the text: one, or two for pairs of sentences.
        label_column: Name of the column holding what is predicted.
        labels: Class names in the order of their ids; empty where there are no classes.
        output_range: Least and greatest value a regression may predict: the head is then
            ``low + (high - low) * sigmoid(linear)``. None leaves the head linear.
        primary: The measure by which the best epoch is chosen; higher must be better.
        schedule: Epochs, learning rate and batch size unless the user asks for others.

    Raises:
        InputError: One of them has a value that is not allowed.
    """

    name: str
    kind: str
    text_columns: tuple[str, ...]
    label_column: str
    labels: tuple[str, ...] = ()
    output_range: tuple[float, float] | None = None
    primary: str
    schedule: Schedule

    def __post_init__(self) -> None:
        kind = registry.find(self.kind)
        if len(self.text_columns) not in (1, 2):
            raise InputError("text_columns", self.text_columns, "a task has one or two text columns")
        kind.check_task(self)


@dataclass(frozen=True)
class Split:
    """The rows of one part of a data set: train, dev or test.

    Attributes:
        texts: Per row a tuple of one or two strings.
        targets: Per row what the kind of task says: the id of a class (int), a number (float), …

    Raises:
        InputError: There are not as many targets as texts.
    """

    texts: tuple[tuple[str, ...], ...]
    targets: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.targets):
            raise InputError("targets", len(self.targets), f"there are {len(self.texts)} rows of texts")

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"Split({len(self)} rows)"  # a traceback must not print the data set


@dataclass(frozen=True)
class TaskData:
    """A task with its data.

    Attributes:
        task: What is asked.
        train: Rows to learn, and to score weights, from.
        dev: Rows to measure on.
        source: Where the rows come from: a data set's name, a folder, files, or "generated".
        guessed: Why its kind was taken for what it is, where nobody named one; else empty.
        test: Rows that are measured once, when all is done, and that nothing is chosen by; None for none.
    """

    task: Task
    train: Split
    dev: Split
    source: str
    guessed: str = ""
    test: Split | None = None

    @property
    def described(self) -> list[tuple[str, str]]:
        """What was taken for what, for people: a word and a line each."""
        kind = registry.find(self.task.kind)
        guessed = f", guessed from the labels: {self.guessed}; --kind says otherwise" if self.guessed else ""
        columns = " and ".join(map(repr, self.task.text_columns))
        return [
            ("kind", f"{kind.name}, {kind.title}{guessed}"),
            ("text", columns),
            ("label", repr(self.task.label_column)),
            ("  training", kind.summary(self.task, self.train.targets)),
            ("  dev", kind.summary(self.task, self.dev.targets)),
            *([("  test", kind.summary(self.task, self.test.targets))] if self.test else []),
        ]

    @cached_property
    def digest(self) -> str:
        """Sha256, in hex, of the kind, the class names and every row of train and dev, in order.

        The same content has the same digest wherever it was read from and on every platform.
        """
        digest = hashlib.sha256()
        for text in self._fields():
            # The length in front keeps "ab" + "c" and "a" + "bc" apart.
            content = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(content))
            digest.update(content)
        return digest.hexdigest()

    def _fields(self) -> Iterator[str]:
        yield self.task.kind
        yield str(len(self.task.labels))
        yield from self.task.labels
        kind = registry.find(self.task.kind)
        for split in (self.train, self.dev):
            yield str(len(split))
            for texts, target in zip(split.texts, split.targets, strict=True):
                yield str(len(texts))
                yield from texts
                yield kind.target_text(target)


@dataclass(frozen=True)
class Origin:
    """Says in an error where a row stands.

    Attributes:
        name: A path, or "train" or "dev".
        unit: What the rows of that file are counted in.
        first: The number of the first row in that unit.
    """

    name: str
    unit: Unit = "row"
    first: int = 1

    def at(self, index: int) -> str:
        """Name the row at `index`, counted from 0: "data/train.tsv, line 7"."""
        return f"{self.name}, {self.unit} {self.first + index}"


TRAIN, DEV, TEST = Origin("train"), Origin("dev"), Origin("test")


def check(task: Task, train: Split, dev: Split, origins: tuple[Origin, Origin] = (TRAIN, DEV)) -> None:
    """Refuse data a task can't be trained or measured with.

    Rows may hold anything a file can hold; what passes holds only what `Split` promises.

    Args:
        task: What the rows are for.
        train: The training rows.
        dev: The rows to measure on.
        origins: How errors name the rows of `train` and of `dev`.

    Raises:
        DataError: A split is empty; a text is missing, not a string or not valid Unicode; a label is
            missing or not allowed; or the dev rows allow no measure, all having the same label, for instance.
    """
    _check_rows(task, train, origins[0])
    check_measurable(task, dev, origins[1])


def check_measurable(task: Task, split: Split, origin: Origin) -> None:
    """Refuse rows that a task can't be measured on; see `check`.

    Raises:
        DataError: As there.
    """
    _check_rows(task, split, origin)
    fault = registry.find(task.kind).dev_fault(task, split.targets)
    if fault:
        raise DataError(f"{origin.name}: {fault}")


def _check_rows(task: Task, split: Split, origin: Origin) -> None:
    kind = registry.find(task.kind)
    if not len(split):
        raise DataError(f"{origin.name}: holds no rows")
    for index, (texts, target) in enumerate(zip(split.texts, split.targets, strict=True)):
        fault = _text_fault(kind, task, texts) or _target_fault(kind, task, target)
        if fault:
            raise DataError(f"{origin.at(index)}: {fault}")
    for column, texts in zip(task.text_columns, zip(*split.texts, strict=True), strict=True):
        if len(split) > 1 and not any(text.strip() for text in texts):
            raise DataError(f"{origin.name}: every {column} is empty")


def _text_fault(kind: Any, task: Task, texts: tuple[Any, ...]) -> str | None:
    if len(texts) != len(task.text_columns):
        return f"has {len(texts)} texts, but the task has {len(task.text_columns)}"
    for column, text in zip(task.text_columns, texts, strict=True):
        fault = kind.text_fault(text)
        if fault:
            return f"{column} {fault}"
    return None


def _target_fault(kind: Any, task: Task, target: Any) -> str | None:
    if target is None or (isinstance(target, str) and not target.strip()):
        return f"{task.label_column} is missing"
    fault = kind.target_fault(task, target)
    return f"{task.label_column} {fault}" if fault else None
