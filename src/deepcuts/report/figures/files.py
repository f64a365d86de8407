"""Figures as files, and as SVGs to be put inside a page.

A figure becomes a PNG and an SVG, and a second SVG for the page: there its colours are CSS variables
(`PAGE_COLOURS`), so that the page decides them, by day and by night.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from deepcuts.common.files import write_atomically
from deepcuts.report.figures.style import PAGE_COLOURS, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write a figure as PNG and SVG; the same figure always gives the same bytes.

    Args:
        figure: The figure.
        folder: Where the files go.
        name: Their name without an ending; also what keeps ids apart where one page holds many figures.

    Returns:
        The SVG to be put into a page: without a size of its own, in the page's colours.
    """
    with styled(name):
        drawn = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(drawn, format="svg", metadata=nothing)
        figure.set_layout_engine("none")  # it is laid out by now, and that takes long
        write_atomically(
            folder / f"{name}.png",
            lambda path: figure.savefig(path, format="png", dpi=180, metadata={"Software": None}),
        )
    svg = drawn.getvalue()
    write_atomically(folder / f"{name}.svg", lambda path: _write(path, svg))
    return _for_page(svg, name)


def _for_page(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(\bid="|href="#|url\(#)', lambda found: f"{found.group(1)}{name}-", svg)
    for colour, variable in PAGE_COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
