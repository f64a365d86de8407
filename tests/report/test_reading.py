"""A report of any store comes out, and says what it lacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores import configure, key_of, write_cell, write_store

from deepcuts.report import write_report
from deepcuts.runs.grid.records import write_grid


def page_of(store: Path, **given: Any) -> str:
    said: list[str] = []
    page = write_report(store, store.parent / "out", replicates=100, progress=said.append, **given)
    return "\n".join([*said, page.read_text(encoding="utf-8")])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but not drawn into files: nine tenths of a report's time, and no part of reading."""
    monkeypatch.setattr("deepcuts.report.figures.gallery.save", lambda figure, folder, name: "<svg></svg>")


def worse_than_constant(result: dict[str, Any]) -> None:
    for part in ("dense", "pruned", "retrained"):
        result[part] = {name: value - 2 for name, value in result["baseline"].items()}


def no_better_than_constant(result: dict[str, Any]) -> None:
    for part in ("dense", "pruned", "retrained"):
        result[part] = result["baseline"]


def no_better_once_cut(result: dict[str, Any]) -> None:
    for part in ("pruned", "retrained"):
        result[part] = result["baseline"]


@pytest.mark.parametrize("task", ["cola", "stsb"])
@pytest.mark.parametrize("change", [worse_than_constant, no_better_than_constant, no_better_once_cut])
def test_no_cell_beats_the_baseline(tmp_path: Path, task: str, change: Callable[[Any], None]) -> None:
    options: list[dict[str, Any]] = [{}, {"shift": 0.0}, {"shift": 100.0}]
    configs = [configure(task, "LayerGradCAMShift", 0.3, seed, **one) for seed in (0, 1) for one in options]
    store = write_store(tmp_path / "store", configs)
    for path in store.glob("cell-*/result.json"):
        result = json.loads(path.read_text())
        change(result)
        path.write_text(json.dumps(result))
    assert "6 of 6 cells are done" in page_of(store)


def test_stores_without_a_single_result(tmp_path: Path) -> None:
    config = configure("stsb", "Random", 0.3, 0)
    (tmp_path / "empty").mkdir()
    write_grid(tmp_path / "planned", "planned", [(key_of(config), config)])
    write_store(tmp_path / "failed", [config], grid="tried")
    for path in (tmp_path / "failed").glob("cell-*"):
        shutil.rmtree(path)
        path.mkdir()
        (path / "failure.json").write_text('{"error": "no memory", "traceback": "", "time": "now"}')
    for name, said in {"empty": "0 of 0 cells", "planned": "1 missing", "failed": "no memory"}.items():
        found = page_of(tmp_path / name, grid="planned" if name == "planned" else None)
        assert said in found
        assert "is done, so there is little to say" in found


BROKEN: dict[str, tuple[str, str]] = {  # file and content
    "a result that is a list": ("result.json", "[]"),
    "a result that is null": ("result.json", "null"),
    "a result that is cut off": ("result.json", '{"format": 2, "mod'),
    "a result of another format": ("result.json", '{"format": 99}'),
    "a result of nothing": ("result.json", '{"format": 2}'),
    "an environment that is a list": ("environment.json", "[]"),
    "an environment of other types": ("environment.json", '{"packages": [1], "commit": 5, "plugins": "x"}'),
    "masks that are none": ("masks.safetensors", "nothing"),
    "predictions that are none": ("predictions.safetensors", "nothing"),
}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_of_one_cell_takes_nothing_from_the_others(tmp_path: Path, what: str) -> None:
    configs = [configure("cola", name, 0.3, seed) for name in ("LayerMagGrad", "Random") for seed in (0, 1)]
    store = write_store(tmp_path / "store", configs)
    name, content = BROKEN[what]
    (store / f"cell-{key_of(configs[0])}" / name).write_text(content)
    found = page_of(store)
    is_lost = name == "result.json"
    assert ("3 of 4 cells are done, 1 failed" if is_lost else "4 of 4 cells are done") in found
    if name != "environment.json":
        assert f"cell-{key_of(configs[0])}" in found


PARTS: list[tuple[list[str], Any]] = [
    (["task"], None), (["task", "kind"], "nosuch"), (["task", "primary"], "nosuch"), (["task", "name"], 5),
    (["kept"], []), (["kept", "density"], "x"), (["kept", "density"], -1), (["dense"], {}),
    (["retrained"], {"matthews": "x"}), (["pruned"], None), (["baseline"], []), (["model"], None),
    (["seconds"], {"finetune": "x"}), (["scoring"], None), (["strategy"], "NoSuch"),
]  # fmt: skip


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("where", "value"), PARTS, ids=str)
def test_a_part_of_a_result_that_is_none_is_named(tmp_path: Path, where: list[str], value: Any) -> None:
    configs = [configure("cola", "LayerMagGrad", 0.3, seed) for seed in (0, 1)]
    store = write_store(tmp_path / "store", configs)
    path = store / f"cell-{key_of(configs[0])}" / "result.json"
    result = json.loads(path.read_text())
    inner = result
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    path.write_text(json.dumps(result))
    found = page_of(store)
    assert "1 of 2 cells are done, 1 failed" in found
    assert "What was left out" in found


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "content",
    ["[]", "null", "{", '{"cells": 5}', '{"cells": [{"key": "../../x", "config": {}}]}', '{"cells": [[]]}'],
)
def test_a_grid_that_is_none_is_left_out(tmp_path: Path, content: str) -> None:
    store = write_store(tmp_path / "store", [configure("cola", "Random", 0.3, 0)])
    (store / "grids").mkdir(exist_ok=True)
    (store / "grids" / "other.json").write_text(content)
    found = page_of(store)
    assert "1 of 1 cells are done" in found
    assert "other.json" in found


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"model": 5, "data": {}, "strategy": "x", "seed": 0}'])
def test_a_configuration_that_is_none_is_left_out(tmp_path: Path, content: str) -> None:
    store = tmp_path / "store"
    for seed in (0, 1):
        write_cell(store, configure("cola", "Random", 0.3, seed))
    broken = store / f"cell-{key_of(configure('cola', 'Random', 0.3, 0))}"
    (broken / "config.json").write_text(content)
    found = page_of(store)
    assert "1 of 1 cells are done" in found
    assert broken.name in found


def test_links_out_of_a_store_are_not_followed(tmp_path: Path) -> None:
    elsewhere = write_store(tmp_path / "elsewhere", [configure("cola", "Random", 0.3, 0)])
    store = write_store(tmp_path / "store", [configure("cola", "Random", 0.3, 1)])
    (cell,) = elsewhere.glob("cell-*")
    (store / cell.name).symlink_to(cell)
    found = page_of(store)
    assert "1 of 1 cells are done" in found
    assert "is a symbolic link out of the store" in found
