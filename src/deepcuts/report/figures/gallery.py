"""The figures of one report: each strategy drawn alike in all of them, written into one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcuts.report.cells import is_control, strategy_order
from deepcuts.report.figures.files import save
from deepcuts.report.figures.style import Style, style_of
from deepcuts.scoring.strategy import paper_strategies

DENSITY = "density: share of prunable weights kept (log scale)"
OVERLAP = "intersection over union\nof kept weights"


@dataclass(frozen=True)
class Drawing:
    """A figure in the page.

    Attributes:
        name: Name of its files, without an ending.
        alt: What it shows, for who can't see it.
        svg: The SVG, ready for the page.
    """

    name: str
    alt: str
    svg: str


class Gallery:
    """A folder of figures; knows how each strategy of the report is drawn.

    Args:
        folder: The folder.
        strategies: All strategies that any figure shows.
    """

    def __init__(self, folder: Path, strategies: Sequence[str]) -> None:
        self._folder = folder
        paper = paper_strategies()  # drawn alike in every report, whichever of them it shows
        others = [name for name in sorted(set(strategies), key=strategy_order) if name not in paper]
        ordinary = [*paper, *(name for name in others if not is_control(name))]
        #: Strategy → how it is drawn.
        self.styles: dict[str, Style] = {name: style_of(number) for number, name in enumerate(ordinary)}
        controls = [name for name in others if is_control(name)]
        self.styles |= {name: style_of(number, control=True) for number, name in enumerate(controls)}

    def add(self, figure: Any, name: str, alt: str) -> Drawing:
        """Write a figure's files.

        Args:
            figure: What a function of `deepcuts.report.figures` drew.
            name: Name of the files, without an ending.
            alt: What it shows, for who can't see it.
        """
        return Drawing(name, alt, save(figure, self._folder, name))
