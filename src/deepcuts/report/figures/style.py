"""How figures look: colours, markers, lines, and matplotlib with these settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import DeepcutsError

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


def style_of(number: int, control: bool = False) -> Style:
    """The style of the number-th series, or of the number-th control."""
    if control:
        return Style(CONTROL, _CONTROL_MARKERS[number % len(_CONTROL_MARKERS)], ":")
    turn, rest = divmod(number, len(COLOURS))
    return Style(COLOURS[rest], _MARKERS[rest], _LINES[turn % len(_LINES)])


@contextmanager
def styled(salt: str = "deepcuts") -> Iterator[None]:
    """Matplotlib with the settings of these figures; `salt` keeps the ids in different SVGs apart."""
    try:
        import matplotlib
    except ImportError:
        raise DeepcutsError(
            "figures need matplotlib, which is not installed: pip install 'deepcuts[report]'"
        ) from None
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": salt}):
        yield


def new_figure(height: float) -> tuple[Figure, Axes]:
    """An empty figure of the usual width, so many inches high, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def name_figure(figure: Figure, title: str) -> None:
    """Write a title above a figure."""
    figure.suptitle(title, x=0.01, ha="left", size=9.5, weight="bold")
