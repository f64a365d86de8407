"""What an export format is, and the one list of all formats.

Importing this is cheap; a format imports what it needs when it writes or reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.common.options import Option

if TYPE_CHECKING:
    from deepcuts.deploy.export.sizes import Sizes
    from deepcuts.masks.masks import Masks

_Format = TypeVar("_Format", bound="type[Format]")


@dataclass(frozen=True)
class Source:
    """A pruned model to export.

    Attributes:
        model: The model, dense in memory, its cut weights exactly +0.
        masks: Which of its weights are kept.
        tokenizer: Its tokenizer.
        unchanged: What it was loaded from, if it is just what lies there.
    """

    model: Any
    masks: Masks
    tokenizer: Any
    unchanged: Path | None = None


@dataclass(frozen=True)
class Written:
    """What a format wrote.

    Attributes:
        sizes: Of the parts.
        notes: What there is to know of it, a sentence each.
    """

    sizes: Sizes
    notes: Sequence[str] = ()


class Format:
    """A form in which a pruned model is written, and maybe read back.

    Attributes:
        name: As ``--format`` takes it.
        help: What it writes and what that is for, one line.
        options: What can be set. One named ``dtype`` is the type of the weights: they have it when `write`
            is called.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    def check(self) -> None:
        """Refuse what can be refused before a model is loaded, such as a missing package.

        Raises:
            InputError: The format can't be written here.
        """

    def write(self, source: Source, output: Path, options: Mapping[str, Any]) -> Written:
        """Write a model.

        Args:
            source: The model, in evaluation mode, with its masks and tokenizer.
            output: Where to; nothing is there.
            options: Name → value of each of `options`, checked.
        """
        raise NotImplementedError

    def recognises(self, path: Path) -> bool:
        """Whether a model in this format lies at a path; False for a format that is not read back."""
        return False

    @contextmanager
    def opened(self, path: Path) -> Iterator[Path]:
        """The folder that `deepcuts.models` loads the model from, while the context lasts."""
        yield path

    def masks(self, folder: Path) -> Masks | None:
        """The masks that the format holds beside the weights; None if it holds none.

        Args:
            folder: What `opened` gave.
        """
        return None


REGISTRY: dict[str, Format] = {}


def register_format(format: _Format) -> _Format:
    """Decorator of a `Format`: ``export`` writes it and everything that loads a pruned model reads it.

    Raises:
        ValueError: The name is taken.
    """
    if format.name in REGISTRY:
        raise ValueError(f"an export format named {format.name!r} is registered already")
    REGISTRY[format.name] = format()
    return format


def all_formats() -> dict[str, Format]:
    """Name → format, those of plugins too."""
    plugins.load()
    return dict(REGISTRY)


def format_named(name: str) -> Format:
    """A format by its name.

    Raises:
        InputError: There is none of that name.
    """
    formats = all_formats()
    if name not in formats:
        raise InputError("format", name, f"it must be one of {', '.join(formats)}")
    return formats[name]


def format_of(path: Path) -> Format | None:
    """The format of what lies at a path; None if it is in none of them.

    The latest is asked first, so that a plugin's files are not taken for those of this package's formats.
    """
    formats = reversed(all_formats().values())
    return next((format for format in formats if format.recognises(path)), None)
