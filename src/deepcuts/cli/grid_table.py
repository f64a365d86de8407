"""What a person sees of a grid: its work, and a table of its cells that follows the work."""

from __future__ import annotations

import datetime
import sys
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from deepcuts.cli.common import print_table
from deepcuts.common.shown import printable

if TYPE_CHECKING:
    from rich.console import Console

    from deepcuts.runs.grid.records import CellRecord
    from deepcuts.runs.grid.schedule import Progress
    from deepcuts.runs.grid.worklist import Worklist

_SYMBOLS = {"done": "✓", "constant": "≈", "running": "▶", "failed": "✗", "waiting": "·"}
_STYLES = {
    "done": "green",
    "constant": "yellow",
    "running": "bold cyan",
    "failed": "bold red",
    "waiting": "dim",
}


def print_work(worklist: Worklist) -> None:
    """Print how much work a grid is, what sharing saves, and what is left."""
    columns = [worklist.alone, worklist.shared, worklist.left]
    saved = [
        f"{count:,} {unit} of {what}"
        for kind, all_alone in worklist.alone.items()
        for what, _, unit in [kind.partition(", ")]
        if (count := all_alone - worklist.shared[kind])
    ]
    print_table(
        f"Work of the grid {worklist.name}",
        ["", "each cell on its own", "each step once", "to come"],
        [[kind, *(f"{work[kind]:,}" for work in columns)] for kind in worklist.alone],
        "\n".join([f"Sharing saves {' and '.join(saved) or 'nothing'}.", *worklist.merged]),
    )


def print_cells(worklist: Worklist) -> None:
    """Print the table of cells, as the store knows them, on standard output."""
    from deepcuts.common.progress import console

    # Elsewhere than in a terminal a table must not be folded to a width that nobody has.
    states = {record.key: _state(record) for record in worklist.records()}
    console(width=None if sys.stdout.isatty() else 160).print(cell_table(worklist, states))


def cell_table(worklist: Worklist, states: dict[str, str]) -> Any:
    """A table of cells: a row a strategy, a column a budget, a sign a seed.

    Args:
        worklist: The worklist.
        states: Cell's key → ``"done"``, ``"running"``, ``"failed"``, or ``"constant"`` for one that is done
            and as good as constant; anything else is waiting.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from deepcuts.runs.grid.labels import label_cells

    labels = label_cells([config.model_dump(mode="json") for config in worklist.cells.values()])
    by_place: dict[tuple[str, str], Text] = {}
    columns = list(dict.fromkeys(label.column for label in labels))
    for key, label in sorted(zip(worklist.cells, labels, strict=True), key=lambda pair: pair[1].seed):
        state = states.get(key, "waiting")
        state = state if state in _SYMBOLS else "waiting"
        by_place.setdefault((label.row, label.column), Text()).append(_SYMBOLS[state], _STYLES[state])
    legend = "   ".join(f"{symbol} {state}" for state, symbol in _SYMBOLS.items())
    table = Table(
        title=printable(f"{worklist.name}: {len(labels)} cells, a sign a seed", lines=False),
        caption=legend,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(printable(column, lines=False), justify="center")
    for row in dict.fromkeys(label.row for label in labels):
        table.add_row(
            printable(row, lines=False), *(by_place.get((row, column), Text("")) for column in columns)
        )
    return table


def _state(record: CellRecord) -> str:
    """A cell's status; ``"constant"`` for one that is done and left a model no better than a constant."""
    from deepcuts.cli.common import ended_constant

    try:
        ended = record.status == "done" and ended_constant(record.result)
    except (OSError, ValueError, AttributeError, TypeError, KeyError):  # a report says what is wrong with it
        ended = False
    return "constant" if ended else str(record.status)


class Watcher(AbstractContextManager["Watcher"]):
    """Follows the work: a live table in a terminal, a line a unit elsewhere.

    Args:
        worklist: The worklist.
        console: Where it is shown.
    """

    def __init__(self, worklist: Worklist, console: Console) -> None:
        from rich.live import Live

        self._worklist = worklist
        self._console = console
        self._states = {record.key: _state(record) for record in worklist.records()}
        self._names = {unit.key: unit.name for unit in worklist.units}
        self._told: set[str] = set()
        self._ended: dict[str, str] = {}
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self._shown = 0.0

    def __enter__(self) -> Watcher:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how far the work is."""
        ended = [*progress.done - self._told, *progress.failed - self._told]
        for key in ended:
            state = "failed" if key in progress.failed else self._how_done(key)
            count = f"[{len(progress.done) + len(progress.failed)}/{len(self._worklist.units)}]"
            line = f"{count} {self._names[key]}: {state}; {_expected_end(progress)}"
            self._console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
            self._told.add(key)
        if self._live is not None and (ended or time.monotonic() - self._shown > 1):
            from rich.console import Group

            self._shown = time.monotonic()
            states = {
                **self._states,
                **dict.fromkeys(progress.running, "running"),
                **{key: self._ended.get(key, "done") for key in progress.done},
                **dict.fromkeys(progress.failed, "failed"),
            }
            now = ", ".join(self._names[key] for key in progress.running)
            if not now:
                left = len(self._worklist.units) - len(progress.done) - len(progress.failed)
                now = "waiting for another grid" if left else "all done"
            parts = [cell_table(self._worklist, states), printable(f"now: {now}"), _expected_end(progress)]
            self._live.update(Group(*parts), refresh=True)

    def _how_done(self, key: str) -> str:
        """``"done"``, and whether a cell's retraining ended on a plateau."""
        from deepcuts.runs.grid.records import read_cell

        if key not in self._worklist.cells:
            return "done"
        ended = _state(read_cell(self._worklist.store, key, {})) == "constant"
        self._ended[key] = "constant" if ended else "done"
        return "done, but on a plateau: no better than a constant" if ended else "done"


def _expected_end(progress: Progress) -> str:
    seconds = progress.seconds_left()
    if seconds is None:
        return "expected end not known yet"
    end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
    day = "" if end.date() == datetime.date.today() else f"{end:%a} "
    return f"expected end {day}{end:%H:%M}"
