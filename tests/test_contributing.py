"""What CONTRIBUTING.md says of each axis: files that are there, in ten lines or less."""

from __future__ import annotations

import re
from pathlib import Path

import deepcuts

TOP = Path(__file__).parent.parent
TEXT = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|:]+)[^|]* \| `([^`]+)`[^|]* \| `(tests/[^`]+)` \|$", TEXT, re.MULTILINE)
SECTIONS = dict(re.findall(r"^## Adding an? ([^\n]+)\n\n(.*?)(?=\n## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def test_every_axis_has_its_folder_and_an_example_that_a_test_runs() -> None:
    assert len(ROWS) == TEXT.count("| `tests/") >= 11
    for axis, folder, example in ROWS:
        assert (Path(deepcuts.__file__).parent / folder).is_dir(), axis
        assert (TOP / example).is_file(), axis


def test_every_axis_is_told_in_ten_lines_or_less() -> None:
    assert [axis for axis, _, _ in ROWS] == list(SECTIONS)
    assert [axis for axis, text in SECTIONS.items() if len(text.strip().splitlines()) > 10] == []
    for axis, _, example in ROWS:
        assert f"`{example}`" in SECTIONS[axis], axis
