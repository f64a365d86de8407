"""Results without weights in one file, from which a grid goes on elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import deepcuts
from grids import write_grid_file

from deepcuts.common.errors import InputError
from deepcuts.runs.grid.collected import bring, read_collected

ONE = [{"strategy": "LayerMagWeight", "density": [0.3, 0.5], "seed": 0}]
MORE = [{"strategy": "LayerMagWeight", "density": [0.3, 0.5, 0.7], "seed": 0}]


def grid(path: Path, store: Path, file: Path) -> str:
    done = deepcuts("grid", path, "--store", store, "--collect", file)
    assert done.returncode == 0, done.stderr
    return str(done.stdout + done.stderr)


def test_a_grid_goes_on_elsewhere_from_what_was_collected(tmp_path: Path) -> None:
    file = tmp_path / "results" / "cells.json"
    grid(write_grid_file(tmp_path, ONE), tmp_path / "first", file)
    before = read_collected(file)
    assert len(before) == 2
    assert all("weights" in cell["result"]["kept"] for cell in before)
    assert file.stat().st_size < 40_000
    shutil.rmtree(tmp_path / "first")

    said = grid(write_grid_file(tmp_path, MORE), tmp_path / "second", file)
    assert f"2 cells are done by {file}" in said
    after = read_collected(file)
    assert [cell["key"] for cell in after][:2] == [cell["key"] for cell in before]
    assert after[:2] == before
    assert len(after) == 3
    masks = list((tmp_path / "second").glob("cell-*/masks.safetensors"))
    assert len(masks) == 1  # only the third was run

    assert grid(write_grid_file(tmp_path, MORE), tmp_path / "second", file).count("done by") == 1
    assert read_collected(file) == after
    report = deepcuts("report", tmp_path / "second", "-o", tmp_path / "report", "--replicates", 100)
    assert report.returncode == 0, report.stderr


def test_what_a_store_holds_stays(tmp_path: Path) -> None:
    part: dict[str, Any] = {"config": {}, "history": {}, "environment": {}, "result": {"format": 2}}
    file = tmp_path / "cells.json"
    file.write_text(json.dumps([{"key": "aa", **part}, {"key": "bb", **part}]))
    own = tmp_path / "store" / "cell-aa"
    own.mkdir(parents=True)
    (own / "result.json").write_text('{"format": 1}')
    assert bring(file, tmp_path / "store") == 1
    assert (own / "result.json").read_text() == '{"format": 1}'
    assert json.loads((tmp_path / "store" / "cell-bb" / "result.json").read_text()) == {"format": 2}


EMPTY: dict[str, Any] = {"config": {}, "history": {}, "environment": {}, "result": {}}


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"key": "aa"}]', json.dumps([{"key": "../aa", **EMPTY}])]
)
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "cells.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"collect: .*cells\.json"):
        bring(file, tmp_path / "store")
    assert not (tmp_path / "store").exists()
