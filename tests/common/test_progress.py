from __future__ import annotations

import io

import pytest
from rich.console import Console

from deepcuts.common.progress import Reporter


def shown(terminal: bool) -> str:
    stream = io.StringIO()
    reporter = Reporter(Console(file=stream, force_terminal=terminal, width=80))
    with reporter.bar("scoring", 3) as advance:
        for _ in range(3):
            advance()
    reporter.line("[0.5] of 3: done")
    return stream.getvalue()


def test_there_are_bars_in_a_terminal_and_plain_lines_elsewhere() -> None:
    assert shown(terminal=False) == "[0.5] of 3: done\n"  # and brackets are no markup
    assert "3/3" in shown(terminal=True)


def test_without_a_console_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    with reporter.bar("scoring", 3) as advance:
        advance()
    reporter.line("nothing")
    assert tuple(capsys.readouterr()) == ("", "")
