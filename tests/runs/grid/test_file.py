from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from deepcuts.common.errors import InputError
from deepcuts.runs.grid.file import read_grid


def write(folder: Path, content: Any) -> Path:
    path = folder / "small.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return path


def test_cells_are_all_combinations_in_the_order_of_the_file(tmp_path: Path) -> None:
    grid = read_grid(write(tmp_path, {"grids": [{"task": ["a", "b"], "seed": [0, 1], "density": 0.3}]}))
    assert grid.name == "small"
    assert [(cell["task"], cell["seed"]) for cell in grid.cells] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert all(cell["density"] == 0.3 for cell in grid.cells)


def test_a_grids_own_fields_go_before_changes_and_these_before_defaults(tmp_path: Path) -> None:
    content = {
        "name": "mine",
        "defaults": {"learning_rate": 1, "batch_size": 1, "clip": 1},
        "changes": {
            "task": {"a": {"learning_rate": 2, "batch_size": 2}},
            "seed": {5: {"batch_size": 3}},
        },
        "grids": [{"task": ["a", "b"], "seed": 0}, {"task": "a", "seed": 5, "learning_rate": 9}],
    }
    grid = read_grid(write(tmp_path, content), model="given", data=None)
    assert grid.name == "mine"
    assert [(c["learning_rate"], c["batch_size"], c["clip"], c["model"]) for c in grid.cells] == [
        (2, 2, 1, "given"),
        (1, 1, 1, "given"),
        (9, 3, 1, "given"),
    ]
    assert "data" not in grid.cells[0]


def test_equal_cells_count_once_and_a_budget_takes_the_place_of_another(tmp_path: Path) -> None:
    content = {
        "defaults": {"compression": 3},
        "grids": [{"seed": [0, 1]}, {"seed": [1, 2]}, {"seed": 0, "density": 0.5}],
    }
    cells = read_grid(write(tmp_path, content)).cells
    assert [(cell["seed"], cell.get("compression"), cell.get("density")) for cell in cells] == [
        (0, 3, None),
        (1, 3, None),
        (2, 3, None),
        (0, None, 0.5),
    ]


def test_a_field_whose_value_is_a_list_is_an_axis_only_as_a_list_of_lists(tmp_path: Path) -> None:
    content = {"grids": [{"betas": [0.9, 0.99], "text": [["a"], ["a", "b"]]}]}
    cells = read_grid(write(tmp_path, content)).cells
    assert [(cell["betas"], cell["text"]) for cell in cells] == [
        ([0.9, 0.99], ["a"]),
        ([0.9, 0.99], ["a", "b"]),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("grids: [{seed: 1, seed: 2}]", "'seed' stands twice"),
        ("defaults: {model: a}\nname: x\ndefaults: {model: b}", "'defaults' stands twice"),
        ("grids: [", "YAML"),
        ("- 1", "mapping"),
        ({"grid": []}, "'grid', but it may hold grids"),
        ({"grids": []}, "at least one grid"),
        ({"grids": [{"strategi": "Random"}]}, r"grids\[0\]: got 'strategi', but it may hold strategy"),
        ({"grids": [3]}, r"grids\[0\]"),
        ({"grids": [{"seed": []}]}, r"grids\[0\].seed: got \[\]"),
        ({"grids": [{}], "defaults": {"sed": 1}}, "defaults: got 'sed', but it may hold seed"),
        ({"grids": [{}], "changes": {"task": {"a": {"sed": 1}}}}, "changes.task.a: got 'sed'"),
        ({"grids": [{}], "changes": {"task": 3}}, "changes.task"),
        ({"grids": [{}], "name": "../x"}, "name"),
    ],
    ids=str,
)
def test_what_no_grid_may_hold_is_refused_with_its_place(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_grid(write(tmp_path, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.yaml"):
        read_grid(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("path", sorted(Path("experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_projects_own_grids_can_be_read(path: Path) -> None:
    grid = read_grid(path)
    assert grid.name == path.stem
    budgets = {cell.get("compression", cell.get("density")) for cell in grid.cells}
    expected = {"paper": {2, 3, 3.5, 4}, "minilm": {0.36, 0.147, 0.0865, 0.041}, "demo": {0.15}}
    assert budgets == expected[path.stem]
