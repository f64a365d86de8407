"""The page: sections of sentences, figures and tables in one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from deepcuts.common.errors import DeepcutsError
from deepcuts.report.analysis.differences import SEEDS_TO_RESAMPLE
from deepcuts.report.figures.gallery import Drawing
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


def render(
    title: str, subtitle: str, sections: Sequence[Section], references: Sequence[str], replicates: int
) -> str:
    """The whole page as text.

    Args:
        title: Its title.
        subtitle: One sentence below it.
        sections: Its chapters.
        references: Strategies that others are compared with.
        replicates: Bootstrap replicates of each interval.

    Raises:
        DeepcutsError: Jinja is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise DeepcutsError(
            "a report needs Jinja, which is not installed: pip install 'deepcuts[report]'"
        ) from None
    home = files("deepcuts.report.page")
    parts = {name: (home / f"page.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(parts["html"]).render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        references=references,
        replicates=replicates,
        seeds_to_resample=SEEDS_TO_RESAMPLE,
        style=parts["css"],
        script=parts["js"],
    )
