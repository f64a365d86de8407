"""The page: sections of sentences, figures and tables in one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from deepcuts.common.errors import DeepcutsError
from deepcuts.report.analysis.intervals import SEEDS_NEEDED
from deepcuts.report.page.parts import Section


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
        seeds_needed=SEEDS_NEEDED,
        style=parts["css"],
        script=parts["js"],
    )
