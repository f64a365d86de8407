"""The demo's table and last lines: what it tells to do next works as it is printed."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from runs import tiny_model_folder

from deepcuts.cli import main
from deepcuts.demo.minimal_pairs import minimal_pairs
from deepcuts.models import names
from deepcuts.runs.data import DataConfig
from deepcuts.tasks import Split, TaskData, named_tasks


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["deepcuts", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code


def test_what_the_demo_says_to_do_next_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_model_folder(tmp_path / "tiny")
    splits = [
        Split(tuple((text,) for text, _ in part), tuple(label for _, label in part))
        for part in minimal_pairs(train=48, dev=24)
    ]
    small = TaskData(named_tasks()["minimal-pairs"], splits[0], splits[1], "generated")
    load = DataConfig.load
    monkeypatch.setattr(names, "_packaged", lambda name: str(folder))
    monkeypatch.setattr(DataConfig, "load", lambda self: small if self.task else load(self))
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "demo")
    printed = capsys.readouterr().out
    assert "Cam-Cut, rewound as in the paper" in printed
    assert "random (control) (plateau)" in printed
    commands = [shlex.split(line)[1:] for line in printed.splitlines() if line.startswith("  deepcuts ")]
    assert [words[0] for words in commands] == ["predict", "report", "prune"]
    run(monkeypatch, *commands[0])
    answer = json.loads(capsys.readouterr().out)
    assert answer["label"] in ("acceptable", "unacceptable")
    run(monkeypatch, *commands[1])
    assert "minilm on minimal-pairs" in (tmp_path / "demo-run" / "report" / "report.html").read_text("utf-8")
    run(monkeypatch, *commands[2])
    result = json.loads((tmp_path / "demo-run" / "own" / "result.json").read_text())
    assert result["task"]["train_rows"] == 48
    assert result["rewind"] == "finetuned"
