"""What a page is put together from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepcuts.report.figures import Drawing
from deepcuts.report.page.tables import Table


@dataclass(frozen=True)
class Part:
    """Figures and tables under one heading, with a note on how to read them."""

    title: str
    figures: Sequence[Drawing]
    tables: Sequence[Table]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One chapter of the page.

    Attributes:
        title: Its heading.
        name: Its anchor.
        sentences: What it found, in words; those of studies make up the summary at the top.
        parts: Figures and tables.
    """

    title: str
    name: str
    sentences: Sequence[str]
    parts: Sequence[Part]
