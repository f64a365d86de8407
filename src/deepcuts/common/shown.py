"""Text that comes from somebody else, as it may be shown: on a terminal, or in a spreadsheet."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Control characters (C0, DEL, C1), which can move a terminal's cursor or recolour it; those that turn the
# direction of what follows; line ends of Unicode's own; and halves of surrogate pairs, which no encoding has.
_HIDDEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES = re.compile(f"[{_HIDDEN}]")
_IN_A_LINE = re.compile(f"[{_HIDDEN}\t\n]")

# What a spreadsheet takes for the beginning of a formula, the full-width forms included.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def printable(text: str, *, lines: bool = True) -> str:
    """A text in which characters that act rather than show are spelled as Python's escapes.

    Args:
        text: Any text.
        lines: Whether it may have lines and tabs of its own.
    """
    return (_IN_LINES if lines else _IN_A_LINE).sub(_escaped, text)


def json_line(text: str) -> str:
    """A line of JSON that shows in a terminal and ends where it ends: the same characters as JSON's escapes.

    Args:
        text: JSON, which may hold any character within its strings.
    """
    return _IN_A_LINE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, such that no text in it is a formula: those that begin like one get a ``'`` before.

    Args:
        path: The file; its folder must be there.
        rows: Column → value; columns are in the order in which rows first name them. A missing one is empty.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([_no_formula(column) for column in columns])
        writer.writerows([[_no_formula(row.get(column, "")) for column in columns] for row in rows])


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _no_formula(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value.lstrip(" ")) and not _is_number(value):
        value = f"'{value}"
    # Half a surrogate pair, of a file's name that is no UTF-8, can't be written.
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _is_number(text: str) -> bool:
    """Whether a text is a number, or several with spaces between them."""
    try:
        return all(math.isfinite(float(part)) for part in text.split())
    except ValueError:
        return False
