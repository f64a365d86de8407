"""Figures: curves over densities, curves over named values, matrices. The one importer of matplotlib.

A figure becomes a PNG and an SVG, and a second SVG to be put inside a page: there its colours are CSS
variables (`PAGE_COLOURS`), so that the page decides them, by day and by night.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import DeepcutsError
from deepcuts.common.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER, CONTROL = "#1b1e21", "#5f666d", "#dde1e4", "#fffffe", "#767c82"
#: Told apart by people of every kind of colour vision, the first six after Okabe and Ito.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c0599c", "#c78500", "#3a9bd9", "#882255", "#6e6e00")
#: Colour in a figure → what stands for it inside a page.
PAGE_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "none",
    CONTROL: "var(--control)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(COLOURS, start=1)},
}
_MARKERS, _CONTROL_MARKERS = "os^DvP*X", "x+12"
_LINES = ("-", (0, (6, 2)), (0, (3, 1, 1, 1)))
_WIDTH = 4.9  # inches
_SETTINGS: Any = {
    "font.size": 8.5,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 2.6,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Style:
    """How a series is drawn: colour, marker and line each tell it apart on its own."""

    colour: str
    marker: str
    line: Any = "-"


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        label: Its name in the legend.
        points: x → values there, such as one a seed; their mean is joined by a line.
        style: How it is drawn.
    """

    label: str
    points: Mapping[float, Sequence[float]]
    style: Style


@dataclass(frozen=True)
class Level:
    """A level to compare with: one height, or a height at each x, drawn without markers."""

    label: str
    height: float | Mapping[float, float]
    line: Any = "--"


def style(number: int, control: bool = False) -> Style:
    """The style of the number-th series, or of the number-th control."""
    if control:
        return Style(CONTROL, _CONTROL_MARKERS[number % len(_CONTROL_MARKERS)], ":")
    turn, place = divmod(number, len(COLOURS))
    return Style(COLOURS[place], _MARKERS[place], _LINES[turn % len(_LINES)])


@contextmanager
def _styled(salt: str = "deepcuts") -> Iterator[None]:
    """Matplotlib with the settings of these figures; `salt` keeps the ids in different SVGs apart."""
    try:
        import matplotlib
    except ImportError:
        raise DeepcutsError(
            "figures need matplotlib, which is not installed: pip install 'deepcuts[report]'"
        ) from None
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": salt}):
        yield


@_styled()
def curves(
    series: Sequence[Series],
    *,
    title: str,
    x_title: str,
    y_title: str,
    levels: Sequence[Level] = (),
    x_names: Mapping[float, str] | None = None,
    logarithmic: bool = False,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw curves: the mean at each x with a line, every single value as a dot, least to greatest as a bar.

    Curves are moved sideways by a little, so that they do not hide each other.

    Args:
        series: The curves.
        title: Of the figure.
        x_title: Of the x axis, with the unit.
        y_title: Of the y axis, with the unit.
        levels: Levels to compare with.
        x_names: x → tick label; None labels the numbers themselves.
        logarithmic: Whether the x axis is.
        limits: Of the y axis; None fits the data.
    """
    rows = -(-(len(series) + len(levels)) // 2)
    figure, axes = _figure(2.75 + 0.19 * rows)
    ticks = sorted({x for one in series for x in one.points})
    handles = []
    for number, one in enumerate(series):
        shift = _shift(number, len(series), ticks, logarithmic)
        handles.append(_draw(axes, one, {x: shift(x) for x in one.points}))
    for level in levels:
        if isinstance(level.height, Mapping):
            handles += axes.plot(
                list(level.height), list(level.height.values()), color=INK, linewidth=1, linestyle=level.line
            )
        else:
            handles.append(axes.axhline(level.height, color=INK, linewidth=1, linestyle=level.line))
    _number_x(axes, ticks, x_names, logarithmic)
    if limits is not None:
        axes.set_ylim(*limits)
    axes.set(xlabel=x_title, ylabel=y_title)
    _name_figure(figure, title)
    names = [one.label for one in series] + [level.label for level in levels]
    figure.legend(handles, names, loc="outside lower left", ncols=2)
    return figure


@_styled()
def matrix(values: Sequence[Sequence[float | None]], names: Sequence[str], *, title: str) -> Figure:
    """Draw a square matrix of numbers between 0 and 1 with the numbers in it.

    Args:
        values: Rows; None leaves a cell empty.
        names: Of the rows, and, by their numbers, of the columns.
        title: Of the figure.
    """
    count = len(names)
    figure, axes = _figure(1.1 + 0.27 * max(count, 4))
    numbers = [[float("nan") if value is None else value for value in row] for row in values]
    axes.pcolormesh(numbers, cmap="Blues", vmin=0, vmax=1, edgecolor=PAPER, linewidth=0.8)
    for row, of_row in enumerate(values):
        for column, value in enumerate(of_row):
            if value is not None:
                colour = "#ffffff" if value > 0.6 else "#000000"
                # + 0.0 leaves no minus before .00
                text = f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}")
                axes.text(column + 0.5, row + 0.5, text, color=colour, size=7, ha="center", va="center")
    places = [place + 0.5 for place in range(count)]
    axes.set_xticks(places, [str(number) for number in range(1, count + 1)])
    axes.set_yticks(places, [f"{name}  {number}" for number, name in enumerate(names, start=1)], size=7.5)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    _name_figure(figure, title)
    return figure


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write a figure as PNG and SVG; the same figure always gives the same bytes.

    Args:
        figure: The figure.
        folder: Where the files go.
        name: Their name without an ending; also what keeps ids apart where one page holds many figures.

    Returns:
        The SVG to be put into a page: without a size of its own, in the page's colours.
    """
    with _styled(name):
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


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _name_figure(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, ha="left", size=9.5, weight="bold")


def _draw(axes: Axes, one: Series, moved: Mapping[float, float]) -> Any:
    style = one.style
    xs = sorted(one.points)
    for x in xs:
        values = one.points[x]
        if len(values) > 1:
            axes.plot([moved[x]] * 2, [min(values), max(values)], color=style.colour, linewidth=1, alpha=0.7)
            axes.plot(
                [moved[x]] * len(values),
                values,
                color=style.colour,
                linestyle="none",
                marker="o",
                markersize=3,
                markerfacecolor=PAPER,
                markeredgewidth=0.8,
                zorder=3,
            )
    means = [sum(one.points[x]) / len(one.points[x]) for x in xs]
    return axes.plot(
        [moved[x] for x in xs],
        means,
        color=style.colour,
        linestyle=style.line,
        linewidth=1.4,
        marker=style.marker,
        markersize=6 if style.marker == "*" else 4.8,
    )[0]


def _shift(number: int, count: int, ticks: Sequence[float], logarithmic: bool) -> Any:
    """Moves x by its series' part of 3 % of the axis; where all share one x there is more room."""
    share = 0.03 if len(ticks) > 1 else 0.3
    part = 0.0 if count < 2 else share * (number / (count - 1) - 0.5)
    if logarithmic:
        span = max(ticks) / min(ticks) if len(ticks) > 1 else 4.0
        return lambda x: x * span**part
    span = max(ticks) - min(ticks) if len(ticks) > 1 else 2.0
    return lambda x: x + span * part


def _number_x(
    axes: Axes, ticks: Sequence[float], names: Mapping[float, str] | None, logarithmic: bool
) -> None:
    from matplotlib.ticker import NullLocator

    if logarithmic:
        axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    if names is None:
        ticks = _apart(ticks, logarithmic)
    axes.set_xticks(list(ticks), [names[x] if names else f"{x:.3g}" for x in ticks])
    if len(ticks) == 1:
        only = ticks[0]
        axes.set_xlim(*((only / 2, only * 2) if logarithmic else (only - 1, only + 1)))


def _apart(ticks: Sequence[float], logarithmic: bool) -> list[float]:
    """The ticks without those whose labels would touch the one before."""
    from math import log

    if not ticks:
        return []
    place = log if logarithmic else float
    span = place(max(ticks)) - place(min(ticks)) or 1.0
    found: list[float] = []
    for tick in ticks:
        if not found or place(tick) - place(found[-1]) > 0.09 * span:
            found.append(tick)
    return found
