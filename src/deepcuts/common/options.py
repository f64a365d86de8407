"""Options: what can be set, declared once by the choice that reads it.

A choice (a criterion, a gradient, a recipe, …) declares an `Option`; the command line, configurations, grid
files, ``--help``, reports and stored identities are derived from it.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deepcuts.common.errors import InputError

_WORDS = {float: "a number", int: "a whole number", bool: "True or False", str: "a text"}


@dataclass(frozen=True)
class Option:
    """One thing that can be set.

    Attributes:
        name: As the code of its choice spells it.
        type: ``float``, ``int``, ``bool`` or ``str``.
        default: Its value unless another is given; None where nothing is set.
        help: One line for people, without the default.
        symbol: Its symbol in the paper, such as ``"λ"``; may be empty.
        at_least: The least number that is allowed.
        above: A number that it must be greater than.
        at_most: The greatest number that is allowed.
        below: A number that it must be less than.
        choices: The values that are allowed; empty for any.
        setting: Its name in a run's configuration and, with dashes, on the command line; by default `name`.
        count: How many values it takes: 1; more, which are a tuple then; or None for any number of them.
        panel: The heading that ``--help`` shows it under; by default that of the choice that declares it.
        title: What tables and figures call it; by default its setting in words, and its symbol.
        formerly: What was done before it could be set, where that is not its default; ``...`` where it is.
    """

    name: str
    type: type
    default: Any
    help: str
    symbol: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()
    setting: str = ""
    count: int | None = 1
    panel: str = ""
    title: str = ""
    formerly: Any = ...

    def __post_init__(self) -> None:
        if not self.setting:
            object.__setattr__(self, "setting", self.name)
        if not self.title:
            words = f"{self.setting.replace('_', ' ')} {self.symbol}".strip()
            object.__setattr__(self, "title", words)

    def checked(self, value: Any) -> Any:
        """The value, as the option's type, if it is allowed; a whole number will do for a float.

        Of an option that takes several values, a tuple, from any sequence but a text.

        Raises:
            InputError: It is not; the message names the option, the value and what is allowed.
        """
        if value is None and self.default is None:
            return None
        if self.count == 1:
            found = self._as_type(value)
            right = self._is_allowed(found)
        else:
            right = isinstance(value, Sequence) and not isinstance(value, str)
            found = tuple(map(self._as_type, value)) if right else ()
            right = right and self.count in (None, len(found)) and all(map(self._is_allowed, found))
        if not right:
            raise InputError(self.setting, value, f"it must be {self.allowed}")
        return found

    def _as_type(self, value: Any) -> Any:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if self.type is float and is_whole else value

    def _is_allowed(self, value: Any) -> bool:
        right = isinstance(value, self.type) and (self.type is bool or not isinstance(value, bool))
        return right and not (isinstance(value, float) and not math.isfinite(value)) and self._within(value)

    @property
    def allowed(self) -> str:
        """What is allowed, as a phrase: ``"a finite number, 0 or more"``."""
        word = self._allowed
        if self.count != 1:
            word = f"{'any number' if self.count is None else self.count} of: {word}"
        return word + (", or None" if self.default is None else "")

    @property
    def _allowed(self) -> str:
        """What is allowed of each value."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        word = "a finite number" if self.type is float else _WORDS.get(self.type, self.type.__name__)
        bounds = {
            "{} or more": self.at_least,
            "above {}": self.above,
            "{} at most": self.at_most,
            "below {}": self.below,
        }
        said = [phrase.format(bound) for phrase, bound in bounds.items() if bound is not None]
        return ", ".join([word, *said])

    def _within(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


def setting(default: Any, help: str, **more: Any) -> Any:
    """A field of a dataclass that is declared as an option; `options_of` finds it.

    Args:
        default: The field's default.
        help: See `Option`.
        more: Other attributes of `Option`; name and type are the field's own, choices those of a Literal.
    """
    return dataclasses.field(default=default, metadata={_DECLARED: {"help": help, **more}})


def options_of(kind: type) -> tuple[Option, ...]:
    """The options that a dataclass declares by `setting`, in their order."""
    hints = typing.get_type_hints(kind)
    return tuple(
        Option(
            field.name, default=field.default, **{**form_of(hints[field.name]), **field.metadata[_DECLARED]}
        )
        for field in dataclasses.fields(kind)
        if _DECLARED in field.metadata
    )


_DECLARED = "option"


def form_of(hint: Any) -> dict[str, Any]:
    """Type, choices and count that an annotation says: ``int | None``, ``Literal["a"]``, ``tuple[…]``."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (hint,) = [part for part in parts if part is not types.NoneType]
        return form_of(hint)
    if origin is Literal:
        return {"type": type(parts[0]), "choices": parts}
    if origin is tuple:
        return {**form_of(parts[0]), "count": None if parts[-1] is Ellipsis else len(parts)}
    return {"type": hint}


def checked_values(options: Iterable[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option's value: the given one, checked, or the default.

    Args:
        options: What can be set.
        given: Option's name → value.

    Raises:
        InputError: A value is not allowed, or a name is none of an option.
    """
    known = {option.name: option for option in options}
    for name, value in given.items():
        if name not in known:
            raise InputError(name, value, f"the options are {', '.join(known)}")
    return {
        name: option.checked(given[name]) if name in given else option.default
        for name, option in known.items()
    }
