"""Where the operating system says no: known before any work, or one message that names the path."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from commands import deepcuts
from crafted import a_file_of_each
from runs import config, job, without_times
from torch import nn

from deepcuts import Masks, score
from deepcuts.common.errors import InputError, RunFolderError, StorageError
from deepcuts.common.files import check_output, read_json, write_atomically
from deepcuts.runs.pipeline import prune
from deepcuts.runs.run_folder import check_run_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = a_file_of_each(tmp_path_factory.mktemp("made"))
    config(folder)
    return folder


def listed(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, but for locks and what is being written."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(".lock")
    }


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Every file ends at a size, as on a disk that is full then, in whatever language it is written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "below a file": lambda folder: folder / "file" / "out",
    "far below a file": lambda folder: folder / "file" / "a" / "b" / "out",
    "a name of 300 letters": lambda folder: folder / ("x" * 300),
    "a folder of 300 letters": lambda folder: folder / ("é" * 150) / "out",
    "a path of 5000 letters": lambda folder: folder / "/".join(["x" * 99] * 50),
    "a circle of links": lambda folder: folder / "circle" / "out",
}
COMMANDS: dict[str, list[str]] = {
    "prune": [
        "--train",
        "train.csv",
        "--dev",
        "dev.csv",
        "--text",
        "text",
        "--label",
        "target",
        "--model",
        "model",
        "--strategy",
        "Random",
        "--density",
        "0.3",
    ],
    "export": ["run"],
    "bench": ["run"],
    "compare": ["masks", "run/masks.safetensors"],
    "report": ["."],
    "demo": [],
    "grid": ["grid.yaml"],
}


@pytest.mark.parametrize("place", HOSTILE)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_begins_what_it_can_not_write(
    made: Path, monkeypatch: pytest.MonkeyPatch, command: str, place: str
) -> None:
    monkeypatch.chdir(made)
    Path("file").write_text("mine")
    Path("grid.yaml").write_text(
        "grids: [{strategy: Random, task: minimal-pairs, model: minilm, density: 0.3}]"
    )
    if not Path("circle").is_symlink():
        Path("circle").symlink_to("circle")
    before = listed(made)
    output = HOSTILE[place](made)
    done = deepcuts(command, *COMMANDS[command], "-o", output)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert repr(str(output))[-40:-1] in done.stderr
    assert listed(made) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    for path in (tmp_path / "closed", tmp_path / "closed" / "out", tmp_path / "closed" / "a" / "out"):
        with pytest.raises(InputError, match=r"nothing may be written in"):
            check_output(path)


def test_a_place_without_permission_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"shared: got .*nothing may be written in"):
        check_output(tmp_path / "a" / "b", "shared")


def test_a_name_with_a_nul(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"output: got .*null"):
        check_output(tmp_path / "a\0b" / "out")


def test_good_places_are_let_be(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (
        tmp_path,
        tmp_path / "a",
        tmp_path / "a" / "b" / "ä",
        tmp_path / "link" / "out",
        Path("new"),
    ):
        check_output(path)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


PARTS = {
    "config.json": False,
    "result.json": False,
    "masks.safetensors": False,
    "predictions.safetensors": False,
    ".lock": False,
    "model": True,
    "work": True,
    "logs": True,
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("what", ["a link to a folder", "a link to a file", "a link to nothing", "the other"])
def test_parts_of_a_run_that_are_something_else(made: Path, tmp_path: Path, part: str, what: str) -> None:
    settings = config(made)
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    elsewhere.mkdir()
    (elsewhere / "file").write_text("mine")
    target = {"a link to a folder": elsewhere, "a link to a file": elsewhere / "file"}.get(
        what, tmp_path / "no"
    )
    if what != "the other":
        (run / part).symlink_to(target)
    elif PARTS[part]:
        (run / part).write_text("mine")
    else:
        (run / part).mkdir()
    before = listed(tmp_path)
    with pytest.raises(RunFolderError, match=part.replace(".", r"\.")):
        check_run_folder(run, settings, overwrite=False)
    assert listed(tmp_path) == before


def test_a_file_is_not_put_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    with pytest.raises(StorageError, match="folder: Is a directory"):
        Masks({"a": torch.ones(3, dtype=torch.bool)}).save(tmp_path / "folder")
    assert listed(tmp_path) == {"folder": None, "folder/mine": b"mine"}


def test_a_link_is_replaced_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "link", lambda path: path.mkdir())
    assert (tmp_path / "theirs" / "file").read_text() == "theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "theirs"]


def test_a_long_name_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert listed(tmp_path) == {path.name: b"new"}


def test_files_of_the_core_on_a_full_disk(tmp_path: Path) -> None:
    big = {"weight": torch.rand(300, 300) < 0.5}
    scores = score(nn.Linear(300, 300), [], ["Random"], prunable=["weight"])["Random"]
    Masks(big).save(tmp_path / "masks")
    before = listed(tmp_path)
    with no_file_above(3000):
        for save, name in ((Masks({"weight": ~big["weight"]}).save, "masks"), (scores.save, "scores")):
            with pytest.raises(StorageError, match=f"{tmp_path / name}: File too large") as found:
                save(tmp_path / name)
            assert found.value.exit_status == 1
    assert listed(tmp_path) == before


@pytest.mark.parametrize("format", ["dense", "sparse", "packed"])
@pytest.mark.parametrize("size", [100, 2000, 9000])
def test_export_on_a_full_disk(made: Path, tmp_path: Path, format: str, size: int) -> None:
    with no_file_above(size):
        done = deepcuts("export", made / "run", "-o", tmp_path / "out", "--format", format)
    assert (done.returncode, done.stdout) == (1, "")
    place = r"/\S*deepcuts-\S*/model" if format == "packed" else str(tmp_path / "out")  # where it comes first
    assert re.fullmatch(f"deepcuts: {place}: File too large", done.stderr.splitlines()[-1])
    assert listed(tmp_path) == {}


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_compare_on_a_full_disk(made: Path, tmp_path: Path, format: str) -> None:
    masks = [tmp_path / "first", tmp_path / "second"]
    for path in masks:
        path.write_bytes((made / "masks").read_bytes())
    with no_file_above(50):
        done = deepcuts("compare", *masks, "-o", tmp_path / "o", "--format", format)
    assert done.returncode == 1
    assert f"{tmp_path / 'o' / 'overlap'}.{format}: File too large" in done.stderr
    assert [name for name in listed(tmp_path) if "." in name] == []


def test_a_run_on_a_full_disk_goes_on_when_there_is_room(made: Path, tmp_path: Path) -> None:
    expected = prune(job(made), tmp_path / "right")
    for size in (200, 5000, 30000):
        again = job(made)
        with no_file_above(size), pytest.raises(StorageError, match=r"File too large|to its end"):
            prune(again, tmp_path / "run")
    found = prune(job(made), tmp_path / "run")
    assert without_times(found) == without_times(expected)
    for name in ("masks.safetensors", "predictions.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "right" / name).read_bytes()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_a_device_without_an_end_is_no_input(
    made: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.chdir(made)
    for arguments in (["grid", device], ["predict", "run", "--file", device], ["inspect", device]):
        done = deepcuts(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert device in done.stderr
    (made / "config.json").symlink_to(device)
    try:
        with pytest.raises(OSError, match="it is a device"):
            read_json(made / "config.json")
    finally:
        (made / "config.json").unlink()
