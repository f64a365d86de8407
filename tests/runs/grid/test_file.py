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
    assert None not in budgets
    assert budgets == expected.get(path.stem, budgets)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it must be a mapping"),
        (b"- a\n- b\n", "it must be a mapping"),
        (b"name: caf\xe9\ngrids: [{}]", r"not UTF-8 text \(byte 9\)"),
        ("grids: [{}]".encode("utf-16"), "UTF-16"),
        (b"grids: " + b"[" * 3000 + b"]" * 3000, "nested too deeply"),
        (b"grids: " + b"{a: " * 30 + b"1" + b"}" * 30, "nested too deeply"),
        (b"grids: &a [*a]", "nested too deeply"),
        (LAUGHS.encode(), "more than 100,000 values"),
        (b"grids: [{seed: " + b"9" * 5000 + b"}]", "can't be read"),
        (b"grids: [{seed: " + b"9" * 4000 + b"}]", "beyond 64 bits"),
        (b"grids: [{model: 2001-01-01}]", "holds a date, '2001-01-01'"),
        (b"grids: [{model: 2001-02-30}]", "can't be read"),
        (b"grids: [{model: !!python/name:os.system x}]", "it must be YAML"),
        (b"grids: [{model: !!binary eA==}]", "holds a bytes"),
        (b'grids: [{model: "a\\0b"}]', "a text with a NUL"),
        (b'grids: [{model: "\\ud800"}]', "no valid Unicode"),
        (b"grids: [{seed: 1, seed: 2}]", "'seed' stands twice in one mapping"),
        (b"grids: [{seed: 010}]", "'010' can be read in more than one way"),
        (b"grids: [{seed: 1:30}]", "'1:30' can be read in more than one way"),
        (b"grids: [{seed: 0x10}]", "'0x10' can be read in more than one way"),
        (b"grids: [{density: 1:30.5}]", "'1:30.5' can be read in more than one way"),
        (b"grids: [{seed: 1_000}]", "'1_000' can be read in more than one way"),
        (b"defaults: {seed: [0, 1]}\ngrids: [{}]", r"defaults.seed: got \[0, 1\], but it must be one value"),
        (b"changes: {task: {sst2: {density: [0.1, 0.2]}}}\ngrids: [{}]", "changes.task.sst2.density"),
        (b"grids: [{seed: [[0, 1], 2]}]", r"grids\[0\].seed: got \[0, 1\]"),
        (b"grids: [{text: {a: b}}]", r"grids\[0\].text"),
        (b'name: "a\\nb"\ngrids: [{}]', "name: got 'a"),
        (b"name: a/b\ngrids: [{}]", "name: got 'a/b'"),
        (b"name: " + b"a" * 300 + b"\ngrids: [{}]", "name: got 'aaa"),
        (b"grids: [{trust_remote_code: true}]", "only the command line may say so"),
        (b"defaults: {trust_remote_code: true}\ngrids: [{}]", "only the command line may say so"),
        (b"changes: {task: {sst2: {trust_remote_code: true}}}\ngrids: [{}]", "only the command line"),
        (b"changes: {trust_remote_code: {}}\ngrids: [{}]", "only the command line"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_whatever_a_file_holds_is_read_or_refused_by_name(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "grid.yaml").write_bytes(content)
    with pytest.raises(InputError, match=message) as found:
        read_grid(tmp_path / "grid.yaml")
    assert len(str(found.value)) < 2000


def test_a_grid_has_so_many_cells_at_most(tmp_path: Path) -> None:
    axes = {name: list(range(1000)) for name in ("seed", "batch_size", "score_batch_size")}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({"grids": [axes]}))
    with pytest.raises(InputError, match="grids: got 1000000000, but a grid has at most 20,000 cells"):
        read_grid(tmp_path / "grid.yaml")


def test_columns_as_lists_and_changes_by_what_the_command_line_says(tmp_path: Path) -> None:
    content = {
        "defaults": {"model": "a", "text": ["one", "two"]},
        "changes": {"model": {"b": {"seed": 7}}},
        "grids": [{"task": "sst2"}, {"train": "t.csv"}],
    }
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(content), encoding="utf-8-sig")
    first, second = read_grid(tmp_path / "grid.yaml", model="b", data="GLUE", trust_remote_code=True).cells
    assert first["seed"] == second["seed"] == 7
    assert first["data"] == "GLUE"
    assert "data" not in second  # own files, for which a folder of GLUE says nothing
    assert first["trust_remote_code"] is second["trust_remote_code"] is True
    content["grids"] = [{"train": "t.csv"}]
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="data: got 'GLUE', but no cell"):
        read_grid(tmp_path / "grid.yaml", model="b", data="GLUE")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": {"stbs": {"batch_size": 8}}}, "changes.task: got 'stbs'"),
        ({"seed": {"1": {"batch_size": 8}}}, "changes.seed: got '1'"),
        ({"rewind": {"pretrained": {"batch_size": 8}}}, "changes.rewind: got 'pretrained'"),
        ({"text": {"one": {"batch_size": 8}}}, "changes.text: got 'one'"),  # two columns are no one
    ],
    ids=str,
)
def test_a_change_that_no_cell_meets_is_refused(tmp_path: Path, changes: Any, said: str) -> None:
    content = {
        "defaults": {"text": ["one", "two"]},
        "changes": changes,
        "grids": [{"task": ["stsb", "cola"], "seed": [0, 1]}],
    }
    with pytest.raises(InputError, match=said):
        read_grid(write(tmp_path, content))
    right = {**content, "changes": {"task": {"stsb": {"batch_size": 8}}, "model": {"a": {"batch_size": 4}}}}
    cells = read_grid(write(tmp_path, right), model="b").cells  # the command line has another model
    assert [cell.get("batch_size") for cell in cells] == [8, 8, None, None]
