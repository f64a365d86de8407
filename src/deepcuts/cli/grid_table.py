"""What a person sees of a grid: its plan, and a table of its cells that follows the work."""

from __future__ import annotations

import datetime
import sys
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from deepcuts.cli.common import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from deepcuts.runs.grid.plan import Plan
    from deepcuts.runs.grid.schedule import Progress

_SYMBOLS = {"done": "✓", "running": "▶", "failed": "✗", "waiting": "·"}
_STYLES = {"done": "green", "running": "bold cyan", "failed": "bold red", "waiting": "dim"}


def print_work(plan: Plan) -> None:
    """Print how much work a grid is, what sharing saves, and what is left."""
    rows = [
        ["fine-tuning, epochs", "finetune_epochs"],
        ["scoring, passes over a batch", "passes"],
        ["retraining, epochs", "retrain_epochs"],
    ]
    columns = [plan.alone, plan.shared, plan.left]
    counts = [[f"{getattr(work, field):,}" for work in columns] for _, field in rows]
    print_table(
        f"Work of the grid {plan.name}",
        ["", "each cell on its own", "each stage once", "to come"],
        [[title, *numbers] for (title, _), numbers in zip(rows, counts, strict=True)],
        f"Sharing saves {plan.alone.finetune_epochs - plan.shared.finetune_epochs:,} epochs and "
        f"{plan.alone.passes - plan.shared.passes:,} passes.",
    )


def print_cells(plan: Plan) -> None:
    """Print the table of cells, as the store knows them, on standard output."""
    from rich.console import Console

    # Elsewhere than in a terminal a table must not be folded to a width that nobody has.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(cell_table(plan, {record.key: record.status for record in plan.records()}))


def cell_table(plan: Plan, states: dict[str, str]) -> Any:
    """A table of cells: a row a strategy, a column a budget, a sign a seed.

    Args:
        plan: The plan.
        states: Cell's key → ``"done"``, ``"running"``, ``"failed"``; anything else is waiting.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from deepcuts.runs.grid.labels import label_cells

    labels = label_cells([config.model_dump(mode="json") for config in plan.cells.values()])
    by_place: dict[tuple[str, str], Text] = {}
    columns = list(dict.fromkeys(label.column for label in labels))
    for key, label in sorted(zip(plan.cells, labels, strict=True), key=lambda pair: pair[1].seed):
        state = states.get(key, "waiting")
        state = state if state in _SYMBOLS else "waiting"
        by_place.setdefault((label.row, label.column), Text()).append(_SYMBOLS[state], _STYLES[state])
    legend = "   ".join(f"{symbol} {state}" for state, symbol in _SYMBOLS.items())
    table = Table(
        title=f"{plan.name}: {len(labels)} cells, a sign a seed",
        caption=legend,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="center")
    for row in dict.fromkeys(label.row for label in labels):
        table.add_row(row, *(by_place.get((row, column), Text("")) for column in columns))
    return table


class Watcher(AbstractContextManager["Watcher"]):
    """Follows a plan: a live table in a terminal, a line a unit elsewhere.

    Args:
        plan: The plan.
        console: Where it is shown.
    """

    def __init__(self, plan: Plan, console: Console) -> None:
        from rich.live import Live

        self._plan = plan
        self._console = console
        self._states = {record.key: str(record.status) for record in plan.records()}
        self._names = _unit_names(plan)
        self._told: set[str] = set()
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
        """Show how far the plan is."""
        ended = [*progress.done - self._told, *progress.failed - self._told]
        for key in ended:
            state = "failed" if key in progress.failed else self._how_done(key)
            count = f"[{len(progress.done) + len(progress.failed)}/{len(self._plan.units)}]"
            line = f"{count} {self._names[key]}: {state}; {_expected_end(progress)}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._told.add(key)
        if self._live is not None and (ended or time.monotonic() - self._shown > 1):
            from rich.console import Group

            self._shown = time.monotonic()
            states = {
                **self._states,
                **dict.fromkeys(progress.running, "running"),
                **dict.fromkeys(progress.done, "done"),
                **dict.fromkeys(progress.failed, "failed"),
            }
            now = ", ".join(self._names[key] for key in progress.running)
            if not now:
                left = len(self._plan.units) - len(progress.done) - len(progress.failed)
                now = "waiting for another grid" if left else "all done"
            parts = [cell_table(self._plan, states), f"now: {now}", _expected_end(progress)]
            self._live.update(Group(*parts), refresh=True)

    def _how_done(self, key: str) -> str:
        """``"done"``, and whether a cell's retraining ended on a plateau."""
        from deepcuts.cli.common import on_plateau
        from deepcuts.runs.grid.records import read_cell

        if key not in self._plan.cells:
            return "done"
        record = read_cell(self._plan.store, key, {})
        ended = record.status == "done" and on_plateau(record.result, "retrain")
        return "done, but on a plateau: no better than a constant" if ended else "done"


def _unit_names(plan: Plan) -> dict[str, str]:
    from deepcuts.runs.grid.labels import label_cells

    labels = label_cells([config.model_dump(mode="json") for config in plan.cells.values()])
    names = dict(zip(plan.cells, map(str, labels), strict=True))
    for unit in plan.units:
        first = unit.configs[0]
        of = f"{first.data.task or 'own files'}, seed {first.seed}"
        if unit.kind == "finetune":
            names[unit.key] = f"fine-tune {of}"
        elif unit.kind == "score":
            names[unit.key] = f"score {of}: {len(unit.configs)} kinds"
    return names


def _expected_end(progress: Progress) -> str:
    seconds = progress.seconds_left()
    if seconds is None:
        return "expected end not known yet"
    end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
    day = "" if end.date() == datetime.date.today() else f"{end:%a} "
    return f"expected end {day}{end:%H:%M}"
