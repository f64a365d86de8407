"""Labels as files hold them: what a class is called, and what is a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def class_name(value: Any) -> str | None:
    """What a class is called by a file's value; None where there is none.

    It is called what the file says, without surrounding space ("01" and "1" differ); a whole number stored as
    a float is called as an integer, a bool "True" or "False".
    """
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return (str(value).strip() or None) if isinstance(value, bool | int | str) else None


def class_names(values: Sequence[Any]) -> tuple[str, ...]:
    """Name the classes among labels, in the order of their ids; missing labels are left out."""
    names = {name for value in values if (name := class_name(value)) is not None}
    numbers = {name: number for name in names if (number := number_of(name)) is not None}
    if len(numbers) == len(names) and all(map(math.isfinite, numbers.values())):
        return tuple(sorted(names, key=lambda name: (numbers[name], name)))
    return tuple(sorted(names))


def number_of(value: Any) -> float | None:
    """The number that a file's value is, or spells; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and "_" in value:  # Python takes 1_000 for a number; no file means one by it
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def text_fault(text: Any) -> str | None:
    """What is wrong with a text, as the end of a sentence after its column's name; None if nothing is."""
    if text is None:
        return "is missing"
    if not isinstance(text, str):
        return f"is {text!r}, but it must be a string"
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair, which no tokenizer takes
        return f"is {text!r}, which is not valid Unicode"
    return None
