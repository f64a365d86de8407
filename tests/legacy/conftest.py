"""A copy of what version 0.1 made, and the command in it."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from old_files import Command

DATA = Path(__file__).parent / "v0.1"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``python -m deepcuts`` in this process: status, standard output, standard error."""

    def call(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["deepcuts", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_module("deepcuts", run_name="__main__")
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data, which the paths in it are relative to, as the working folder."""
    folder = tmp_path / "home"
    shutil.copytree(DATA, folder)
    monkeypatch.chdir(folder)
    return folder
