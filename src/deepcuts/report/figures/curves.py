"""Curves over densities or over named values, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepcuts.report.figures.style import INK, PAPER, Style, name_figure, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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


@styled()
def draw_curves(
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
    figure, axes = new_figure(2.75 + 0.19 * rows)
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
    name_figure(figure, title)
    names = [one.label for one in series] + [level.label for level in levels]
    figure.legend(handles, names, loc="outside lower left", ncols=2)
    return figure


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
    position = log if logarithmic else float
    span = position(max(ticks)) - position(min(ticks)) or 1.0
    found: list[float] = []
    for tick in ticks:
        if not found or position(tick) - position(found[-1]) > 0.09 * span:
            found.append(tick)
    return found
