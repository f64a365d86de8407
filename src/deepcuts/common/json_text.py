"""JSON as its standard has it: what Python takes beside that is refused, as it would be a silent guess."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse(text: str | bytes, *, with_nan: bool = False) -> Any:
    """Read JSON.

    Args:
        text: In UTF-8, if it is bytes.
        with_nan: Whether NaN and infinity are taken, for those who say better where they stand.

    Raises:
        ValueError: It is none; or a name stands twice in one object, of which Python would take the last; or
            a number is NaN or infinite, which JSON does not have.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_once_each, parse_constant=None if with_nan else _no_number)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
