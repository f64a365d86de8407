"""What tables of a page are made of: text, with a value to sort by where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOTHING = "–"


@dataclass(frozen=True)
class Entry:
    """One entry of a table: text, a smaller text below it, and what it is sorted by (None: its text)."""

    text: str
    below: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of a page; the first entry of a row names it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Entry]]


def number_entry(value: float | None, form: str) -> Entry:
    """A number as text in this form, sorted by its value."""
    return (
        Entry(NOTHING)
        if value is None
        else Entry(form.format(value).replace("-", "\N{MINUS SIGN}"), value=float(value))
    )
