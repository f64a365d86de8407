"""What others named, as it is shown: no markup, no escapes that act, no formulas."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from deepcuts.common.progress import Reporter, console
from deepcuts.common.shown import json_line, printable, write_csv


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("data[v2].csv", "data[v2].csv"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb\x07", "a\\rb\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("evil\u202etxt.exe", "evil\\u202etxt.exe"),
        ("caf\udce9", "caf\\udce9"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Größe → ∞ 🙂", "Größe → ∞ 🙂"),
    ],
)
def test_characters_that_act_are_spelled(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert "\n" not in printable(text, lines=False)


@pytest.mark.parametrize("text", ["[/b] of data[v2]", "[red]", ":smile:", "[link=x]y[/link]"])
def test_a_console_shows_names_as_they_are(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from deepcuts.cli.common import print_table

    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    print_table(text, ["", text], [[text, text]], text)
    assert out.getvalue().count(text) == 5
    line = io.StringIO()
    Reporter(Console(file=line)).line(text)
    assert line.getvalue() == f"{text}\n"
    assert console().render_str(text).plain == text


def test_json_lines_end_where_they_end() -> None:
    text = "a\u2028b\x85c\x0cd\x7f\x9b"
    line = json_line(json.dumps(text, ensure_ascii=False))
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert json.loads(line) == text


def test_no_text_in_a_table_is_a_formula(tmp_path: Path) -> None:
    starts = ["=1+1", "+cmd", "-x", "@sum", "\t=1", "\r=1", "  =1", "\uff1d1", "\n=1"]
    rows = [{"=name": start, "value": -0.5, "also": "-0.5 0.25"} for start in starts]
    write_csv(tmp_path / "t.csv", [*rows, {"new": "plain = text", "=name": None}])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    assert found[0] == ["'=name", "value", "also", "new"]
    assert [row[0] for row in found[1:-1]] == [f"'{start}" for start in starts]
    assert all(row[1:] == ["-0.5", "-0.5 0.25", ""] for row in found[1:-1])  # numbers stay numbers
    assert found[-1] == ["", "", "", "plain = text"]
