"""Options: what can be set, declared once by the choice that reads it.

A choice (a criterion, a gradient, a recipe, …) declares an `Option`; the command line, configurations, grid
files, ``--help``, reports and stored identities are derived from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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

    def __post_init__(self) -> None:
        if not self.setting:
            object.__setattr__(self, "setting", self.name)

    def checked(self, value: Any) -> Any:
        """The value, as the option's type, if it is allowed; a whole number will do for a float.

        Raises:
            InputError: It is not; the message names the option, the value and what is allowed.
        """
        if value is None and self.default is None:
            return None
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        right = isinstance(value, self.type) and (self.type is bool or not isinstance(value, bool))
        if not right or (isinstance(value, float) and not math.isfinite(value)) or not self._within(value):
            raise InputError(self.setting, value, f"it must be {self.allowed}")
        return value

    @property
    def allowed(self) -> str:
        """What is allowed, as a phrase: ``"a finite number, 0 or more"``."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        word = "a finite number" if self.type is float else _WORDS.get(self.type, self.type.__name__)
        bounds = {
            "{:g} or more": self.at_least,
            "above {:g}": self.above,
            "{:g} at most": self.at_most,
            "below {:g}": self.below,
        }
        said = [phrase.format(bound) for phrase, bound in bounds.items() if bound is not None]
        return ", ".join([word, *said]) + (", or None" if self.default is None else "")

    def _within(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


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
