from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from deepcuts.common.files import read_json, remove_leftovers, write_atomically, write_json


def contents(folder: Path) -> dict[str, str | None]:
    """Everything below a folder: path → text, or None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_a_file_is_made_with_its_folders(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "file.txt", lambda path: path.write_text("new"))
    assert contents(tmp_path) == {"a": None, "a/b": None, "a/b/file.txt": "new"}


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    write_atomically(target, lambda path: path.write_text("new"))
    assert contents(tmp_path) == {"file.txt": "new"}


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside.txt").write_text("new")


def test_a_folder_is_made_and_replaces_an_old_one(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    write_atomically(target, make_folder)
    (target / "left over.txt").write_text("old")
    write_atomically(target, make_folder)
    assert contents(tmp_path) == {"folder": None, "folder/inside.txt": "new"}


def test_what_is_there_stays_whole_until_the_new_is_ready(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")

    def slow(path: Path) -> None:
        assert path != target
        assert path.parent == target.parent  # a rename between file systems would be a copy
        path.write_text("half")
        assert target.read_text() == "old"
        path.write_text("new")

    write_atomically(target, slow)
    assert contents(tmp_path) == {"file.txt": "new"}


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing yet"])
@pytest.mark.parametrize("old", [True, False])
def test_an_exception_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException], kind: str, old: bool
) -> None:
    target = tmp_path / "file.txt"
    if old:
        target.write_text("old")

    def failing(path: Path) -> None:
        if kind == "folder":
            make_folder(path)
        elif kind == "file":
            path.write_text("half")
        raise error

    with pytest.raises(error):
        write_atomically(target, failing)
    assert contents(tmp_path) == ({"file.txt": "old"} if old else {})


def test_an_exception_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    write_atomically(target, make_folder)

    def failing(path: Path) -> None:
        make_folder(path)
        raise OSError

    with pytest.raises(OSError, match="folder: OSError"):
        write_atomically(target, failing)
    assert contents(tmp_path) == {"folder": None, "folder/inside.txt": "new"}


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    content = {"text": "λ = 10 · „quoted“ \n", "numbers": [1, 0.1, 1e-300, -0.0], "none": None, "yes": True}
    write_json(tmp_path / "content.json", content)
    assert read_json(tmp_path / "content.json") == content
    text = (tmp_path / "content.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "λ" in text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_refuses_what_json_cannot_say(tmp_path: Path, value: float) -> None:
    target = tmp_path / "content.json"
    write_json(target, {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"deep": [{"loss": value}]})
    assert read_json(target) == {"loss": 1.0}
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_written_has_the_permissions_that_the_umask_asks_for(tmp_path: Path) -> None:
    def write_folder(path: Path) -> None:
        path.mkdir()
        (path / "private").write_text("x")
        (path / "private").chmod(0o600)

    before = os.umask(0o027)
    try:
        write_json(tmp_path / "file.json", {})
        write_atomically(tmp_path / "folder", write_folder)
    finally:
        os.umask(before)
    assert (tmp_path / "file.json").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder" / "private").stat().st_mode & 0o777 == 0o640


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".model.1234.tmp").mkdir()
    (tmp_path / ".model.1234.tmp" / "half").write_text("x")
    (tmp_path / ".result.json.1234.tmp").write_text("x")
    (tmp_path / ".tmphitYHn").write_text("x")  # as safetensors calls it
    for name in ("mine.tmp", ".tmp", ".tmp-of-mine", ".tmpfolder1"):
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path)
    assert contents(tmp_path) == dict.fromkeys(["mine.tmp", ".tmp", ".tmp-of-mine", ".tmpfolder1"], "x")
