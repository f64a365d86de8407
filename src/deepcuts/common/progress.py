"""What a person sees of long work: bars in a terminal, plain lines elsewhere, and no library's chatter."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deepcuts.common.shown import printable

Advance = Callable[[], None]


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console that shows text as it is: nothing in a name is taken for markup or for an emoji's name."""
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


class Reporter:
    """Where progress is shown.

    Args:
        console: A rich console; None shows nothing, as for all but the first of several processes.
        bars: Whether bars are shown in a terminal; not where something else is live in it.
    """

    def __init__(self, console: Console | None = None, *, bars: bool = True) -> None:
        self._console = console
        self._bars = bars
        self._about = ""

    @contextmanager
    def about(self, name: str) -> Iterator[None]:
        """Let every line say what it is about, where several things are done one after another."""
        before, self._about = self._about, f"{name}: "
        try:
            yield
        finally:
            self._about = before

    def line(self, text: str) -> None:
        """Say one thing."""
        if self._console is not None:
            shown = printable(f"{self._about}{text}")
            self._console.print(shown, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def show(self, renderable: Any) -> None:
        """Show anything that rich can render, such as a table."""
        if self._console is not None:
            self._console.print(renderable)

    @contextmanager
    def bar(self, label: str, total: int, done: int = 0) -> Iterator[Advance]:
        """A progress bar, in a terminal; yields a function that advances it by one.

        Args:
            label: What is being done.
            total: Number of steps.
            done: Steps that an earlier try has done.
        """
        if self._console is None or not self._console.is_terminal or not self._bars:
            yield lambda: None
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(printable(label, lines=False), total=total, completed=done)
            yield lambda: progress.advance(task)


def quiet_libraries() -> None:
    """Keep the libraries' chatter out of the output; their errors still come through."""
    import warnings

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
