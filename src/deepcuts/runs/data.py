"""Which task a run or a measurement is of, and where its data is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option, checked_values, options_of, setting

if TYPE_CHECKING:
    from deepcuts.tasks import TaskData


@dataclass(frozen=True)
class DataConfig:
    """Which task, and where its data is; every command that reads some takes these as options.

    Attributes:
        task: A task known by name; None for the user's own files.
        data: Folder of a GLUE task; None takes the Hub or its cache.
        train: The user's own training file; with `dev`, `text` and `label` instead of `task`.
        dev: The user's own dev file.
        test: File with test rows, of a task known by name too: measured once, at the end.
        text: One or two columns with text.
        label: The column to predict; or a column for each of several labels a row, with commas between them.
        kind: Name of the kind of task; None is decided by the labels.

    Raises:
        InputError: A value is not allowed.
    """

    # pydantic's, of which this is a part of a configuration.
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    task: str | None = setting(None, "A task known by its name, such as sst2.")
    data: str | None = setting(None, "Folder with the GLUE task; else the Hub.")
    train: str | None = setting(
        None, "Your own training file: .csv, .tsv, .jsonl, .parquet, .conll, .conllu."
    )
    dev: str | None = setting(None, "Your own dev file.")
    test: str | None = setting(
        None, "File of labelled test rows, beside a --task too: measured once, at the end."
    )
    text: tuple[str, ...] = setting((), "Column with text; repeat for a pair.")
    label: str | None = setting(None, "Column to predict, or one a label, with commas between them.")
    kind: str | None = setting(None, "Kind of task, such as regression; else the labels decide.")

    def __post_init__(self) -> None:
        for option in data_options():
            object.__setattr__(self, option.name, option.checked(getattr(self, option.name)))
        if self.kind is not None:
            from deepcuts.tasks import kind_named  # late, here and below: --help needs the options alone

            kind_named(self.kind)

    @classmethod
    def make(cls, given: Mapping[str, Any]) -> DataConfig:
        """From fields, where None counts as not given.

        Raises:
            InputError: A field's value is not allowed, or there is no such field.
        """
        found = {name: value for name, value in given.items() if value is not None}
        return cls(**checked_values(data_options(), found))

    def load(self) -> TaskData:
        """Read and check the data.

        Raises:
            InputError: Neither a task nor files are named, or both.
            DataError: The data is missing, unreadable, or holds what the task doesn't allow.
        """
        from deepcuts.tasks import load_files, load_task

        test = Path(self.test) if self.test else None
        if self.task is not None:
            if self.train or self.dev or self.text or self.label:
                raise InputError(
                    "task", self.task, "own files (--train, --dev, --text, --label) take its place"
                )
            if self.kind is not None:
                raise InputError("kind", self.kind, f"it is for own files; {self.task} has its own")
            return load_task(self.task, Path(self.data) if self.data else None, test=test)
        if self.data is not None:
            raise InputError("data", self.data, "it is for a task known by its name (--task)")
        if not self.train:
            raise InputError("task", None, "name a task (--task), or your own files (--train, --dev, ...)")
        if not (self.dev and self.text and self.label):
            raise InputError("train", self.train, "own files need --dev, --text and --label as well")
        for name, path in {"train": self.train, "dev": self.dev}.items():
            if test is not None and test.resolve() == Path(path).resolve():
                raise InputError(
                    "test", self.test, f"it must hold other rows than --{name}, which it names too"
                )
        return load_files(Path(self.train), Path(self.dev), self.text, self.label, self.kind, test=test)


@cache
def data_options() -> tuple[Option, ...]:
    """Where data comes from, the same for every command that reads some, as options."""
    return options_of(DataConfig)


def take_data(settings: Mapping[str, Any]) -> tuple[DataConfig, dict[str, Any]]:
    """Part what says where data comes from and all other settings.

    Raises:
        InputError: A value is not allowed.
    """
    names = {option.setting for option in data_options()}
    own = {name: value for name, value in settings.items() if name in names}
    return DataConfig.make(own), {name: value for name, value in settings.items() if name not in names}
