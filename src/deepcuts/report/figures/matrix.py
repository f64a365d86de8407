"""Matrices of numbers, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepcuts.report.figures.style import PAPER, name_figure, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled()
def draw_matrix(values: Sequence[Sequence[float | None]], names: Sequence[str], *, title: str) -> Figure:
    """Draw a square matrix of numbers between 0 and 1 with the numbers in it.

    Args:
        values: Rows; None leaves a cell empty.
        names: Of the rows, and, by their numbers, of the columns.
        title: Of the figure.
    """
    count = len(names)
    figure, axes = new_figure(1.1 + 0.27 * max(count, 4))
    numbers = [[float("nan") if value is None else value for value in row] for row in values]
    axes.pcolormesh(numbers, cmap="Blues", vmin=0, vmax=1, edgecolor=PAPER, linewidth=0.8)
    for row, of_row in enumerate(values):
        for column, value in enumerate(of_row):
            if value is not None:
                colour = "#ffffff" if value > 0.6 else "#000000"
                # + 0.0 leaves no minus before .00
                text = f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}")
                axes.text(column + 0.5, row + 0.5, text, color=colour, size=7, ha="center", va="center")
    centres = [index + 0.5 for index in range(count)]
    axes.set_xticks(centres, [str(number) for number in range(1, count + 1)])
    axes.set_yticks(centres, [f"{name}  {number}" for number, name in enumerate(names, start=1)], size=7.5)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    name_figure(figure, title)
    return figure
