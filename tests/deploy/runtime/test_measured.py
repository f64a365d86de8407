from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from deepcuts.deploy.runtime import kernel, measured
from deepcuts.deploy.runtime.measured import forget, recall


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv(measured.FOLDER, str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache"
    forget()


def test_an_answer_is_kept_for_the_machine(folder: Path) -> None:
    assert recall({"which": 1}, lambda: 0.25) == 0.25
    assert recall({"which": 1}, lambda: 0.5) == 0.25
    forget()
    assert recall({"which": 1}, lambda: 0.5) == 0.25
    assert recall({"which": 2}, lambda: 0.5) == 0.5
    (first, second) = (json.loads(path.read_text()) for path in folder.iterdir())
    assert {first["answer"], second["answer"]} == {0.25, 0.5}
    assert first["machine"] == measured.machine()


@pytest.mark.parametrize("what", ["cpus", "kernel", "torch", "processor"])
def test_another_machine_is_asked_anew(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recall({"which": 1}, lambda: 0.25) == 0.25
    other = {**measured.machine(), what: "another"}
    monkeypatch.setattr(measured, "machine", lambda: other)
    assert recall({"which": 1}, lambda: 0.5) == 0.5


def test_the_machine_is_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured.machine()
    assert found["torch"] == torch.__version__
    monkeypatch.setattr(kernel, "chosen", lambda: None)
    assert measured.machine() == {**found, "kernel": "csr", "sources": None}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"answer": 0.1}', "null"])
def test_a_damaged_file_is_measured_again(content: str, folder: Path) -> None:
    recall({"which": 1}, lambda: 0.25)
    (path,) = folder.iterdir()
    path.write_text(content)
    forget()
    assert recall({"which": 1}, lambda: 0.5) == 0.5
    assert json.loads(path.read_text())["answer"] == 0.5


def test_where_nothing_can_be_written_the_process_remembers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(measured.FOLDER, str(tmp_path / "file" / "below"))  # no folder can be made there
    assert recall({"which": 1}, lambda: 0.25) == 0.25
    assert recall({"which": 1}, lambda: 0.5) == 0.25


def test_who_is_slower_takes_the_answer_of_who_was_faster() -> None:
    recall({"which": 1}, lambda: 0.1)
    (path,) = measured._folder().iterdir()
    content = path.read_text()
    path.unlink()
    forget()

    def meanwhile() -> float:
        path.write_text(content.replace("0.1", "0.75"))
        return 0.25

    assert recall({"which": 1}, meanwhile) == 0.75


def test_the_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(measured.FOLDER)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert measured._folder() == tmp_path / "deepcuts"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert measured._folder() == tmp_path / "home" / ".cache" / "deepcuts"
