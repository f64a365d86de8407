"""How a kind of task reads and checks its rows: the one half of `deepcuts.tasks.kinds.kind.TaskKind`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from deepcuts.common.errors import InputError
from deepcuts.tasks.task import Task
from deepcuts.tasks.values import text_fault


class Rows(ABC):
    """What a kind of task says of texts and targets, in files and checked.

    Attributes:
        name: As configurations and results spell it.
        reads_numbers: Whether a label in a file is a number, which may be written in several ways.
    """

    name: ClassVar[str]
    reads_numbers: ClassVar[bool] = False

    # The task and its rows

    def check_task(self, task: Task) -> None:
        """Refuse a task whose parts don't fit together; here, one with classes.

        Raises:
            InputError: `labels` or another part is not allowed.
        """
        if task.labels:
            raise InputError("labels", task.labels, f"a {self.name} has no classes")

    def text_fault(self, text: Any) -> str | None:
        """What is wrong with a text, as the end of a sentence after its column's name; None if nothing is."""
        return text_fault(text)

    @abstractmethod
    def target_fault(self, task: Task, target: Any) -> str | None:
        """What is wrong with a target that is there: ``"is 7, but allowed are …"``."""

    def dev_fault(self, task: Task, targets: Sequence[Any]) -> str | None:
        """Why nothing can be measured on dev rows with these targets; None if it can.

        Where all are equal a constant prediction is perfect and every correlation is undefined.
        """
        if len({self.target_text(target) for target in targets}) > 1:
            return None
        return (
            f"every row has the {task.label_column} {self.shown(task, targets[0])!r}: nothing can be measured"
        )

    def shown(self, task: Task, target: Any) -> Any:
        """A target as errors call it."""
        return target

    def target_text(self, target: Any) -> str:
        """A target as the text that goes into a digest of the data; never to be changed."""
        return repr(target)

    def stratum(self, target: Any) -> Hashable:
        """What rows that are held out have in the shares of all rows; None where chance will do."""
        return None

    # The user's own files

    def reads(self, text: Any) -> bool:
        """Whether a file's text may be one of this kind; only such kinds are taken if none is named."""
        return not isinstance(text, list | tuple)

    def likeness(self, values: Sequence[Any]) -> int:
        """How much labels in a file look like this kind's: the one with the most is taken if none is named.

        Args:
            values: As a file holds them; missing ones are None or empty.

        Returns:
            0 for a kind that is only taken by its name.
        """
        return 0

    def labels_of(self, values: Sequence[Any], where: str, column: str) -> tuple[str, ...]:
        """The class names among a file's labels, in the order of their ids; none by default.

        Raises:
            DataError: They are not enough.
        """
        return ()

    def target_of(self, task: Task, value: Any) -> Any:
        """The target that a file's value stands for; what stands for none is given back as it is."""
        return value

    def row_of(self, task: Task, texts: tuple[Any, ...], value: Any) -> tuple[tuple[Any, ...], Any]:
        """A file's texts, and the target that a value beside them stands for."""
        return texts, self.target_of(task, value)

    def why(self, values: Sequence[Any]) -> str:
        """Why labels are taken for this kind's where none is named, as the end of a sentence."""
        return "they look like its targets"

    def summary(self, task: Task, targets: Sequence[Any]) -> str:
        """What a split's targets are."""
        return f"{len({self.target_text(target) for target in targets}):,} different"
