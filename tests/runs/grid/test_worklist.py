from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from grids import GRIDS, run_inline, worklist_of, write_grid_file

from deepcuts.common.errors import DeepcutsError
from deepcuts.runs.steps import Work


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_grid_file(folder)
    return folder


def work(finetune: int = 0, passes: int = 0, retrain: int = 0) -> Work:
    return Work(
        {
            "fine-tuning, epochs": finetune,
            "scoring, passes over a batch": passes,
            "retraining, epochs": retrain,
        }
    )


def kinds(worklist: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for unit in worklist.units:
        found[unit.kind] = found.get(unit.kind, 0) + 1
    return found


def test_what_cells_share_is_done_once_and_the_work_is_counted_by_hand(home: Path, tmp_path: Path) -> None:
    worklist = worklist_of(home / "tiny.yaml", tmp_path)
    assert len(worklist.cells) == 5
    assert kinds(worklist) == {"finetune": 2, "score": 2, "cell": 5}
    # 24 training rows in batches of 4: 6 passes for each of three cells of Cam-Cut, none for magnitude.
    # Shared: one sweep a seed.
    assert worklist.alone == work(5, 18, 5)
    assert worklist.shared == worklist.left == work(2, 12, 5)


def test_needs_stand_before_what_needs_them_and_the_files_order_is_kept(home: Path, tmp_path: Path) -> None:
    worklist = worklist_of(home / "tiny.yaml", tmp_path)
    seen: set[str] = set()
    for unit in worklist.units:
        assert unit.needs <= seen
        seen.add(unit.key)
    assert [unit.key for unit in worklist.units if unit.kind == "cell"] == list(worklist.cells)
    first = worklist.units[0].configs[0]
    assert (worklist.units[0].kind, first.seed) == ("finetune", 0)
    assert [unit.kind for unit in worklist.units[:3]] == ["finetune", "score", "cell"]
    assert [(c.strategy, c.density, c.seed) for c in worklist.cells.values()][:3] == [
        ("LayerGradCAMShift", 0.3, 0),
        ("LayerGradCAMShift", 0.5, 0),
        ("GlobalMagWeight", 0.3, 0),
    ]


def test_settings_that_a_cell_does_not_depend_on_make_no_other_cell(home: Path, tmp_path: Path) -> None:
    same = [{"strategy": "LayerMagWeight", "density": 0.3, "shift": [1, 2], "noise_std": [0.1, 0.2]}]
    (tmp_path / "own").mkdir()
    path = write_grid_file(tmp_path / "own", same)
    assert len(worklist_of(path, tmp_path / "store").cells) == 1


CHANGES: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "nothing": ({}, {}),
    "an option that one score reads": ({"shift": 3.0}, {"score": 1, "cell": 2}),
    "an option that no score reads": ({"noise_std": 0.5}, {}),
    "the retraining": ({"retrain_epochs": 2}, {"cell": 5}),
    "the rewind": ({"rewind": "finetuned"}, {"cell": 5}),
    "the fine-tuning": ({"finetune_epochs": 2}, {"finetune": 2, "score": 2, "cell": 5}),
    "the batches of scoring": ({"score_batch_size": 5}, {"score": 2, "cell": 3}),
}


@pytest.fixture(scope="module")
def stored(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the grid is finished."""
    store = tmp_path_factory.mktemp("stored") / "store"
    assert not run_inline(home / "tiny.yaml", store).failed
    return store


@pytest.mark.parametrize(("changes", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_changed_setting_redoes_exactly_what_depends_on_it(
    home: Path, stored: Path, changes: dict[str, Any], expected: dict[str, int]
) -> None:
    assert kinds(worklist_of(write_grid_file(home, **changes), stored)) == expected
    write_grid_file(home)


def test_changed_data_redoes_everything(home: Path, stored: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "model", tmp_path / "model")
    path = write_grid_file(tmp_path)
    assert kinds(worklist_of(path, stored)) == {}  # equal data from another place is the same data
    lines = (tmp_path / "train.csv").read_text().splitlines()
    (tmp_path / "changed.csv").write_text("\n".join(lines[:-1]) + "\n")
    path.write_text(path.read_text().replace("train.csv", "changed.csv"))
    assert kinds(worklist_of(path, stored)) == {"finetune": 2, "score": 2, "cell": 5}


def test_another_code_version_of_the_stages_redoes_everything(
    home: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.runs.steps import train

    monkeypatch.setattr(train, "VERSION", train.VERSION + 1)
    assert kinds(worklist_of(home / "tiny.yaml", stored)) == {"finetune": 2, "score": 2, "cell": 5}


def test_what_is_missing_is_all_that_is_planned(home: Path, stored: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(stored, store)
    worklist = worklist_of(home / "tiny.yaml", store)
    lost = next(key for key, config in worklist.cells.items() if config.strategy == "GlobalMagWeight")
    shutil.rmtree(store / f"cell-{lost}")
    assert [unit.key for unit in worklist_of(home / "tiny.yaml", store).units] == [lost]
    for folder in store.glob("score-*"):
        shutil.rmtree(folder)
    again = worklist_of(home / "tiny.yaml", store)
    assert kinds(again) == {"score": 1, "cell": 1}
    assert again.left == work(retrain=1)  # magnitude reads no data


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"strategy": "LayerMagGard", "density": 0.3}, "LayerMagGrad"),
        ({"strategy": "Random"}, "exactly one"),
        ({"strategy": "Random", "compression": 99}, "highest reachable"),
        ({"strategy": "Random", "density": 0.00001}, "at least one"),
        ({"strategy": "Random", "density": 0.3, "model": "./nowhere"}, "nowhere"),
        ({"strategy": "Random", "density": 0.3, "retrain_epochs": -1}, "retrain_epochs"),
    ],
    ids=str,
)
def test_a_cell_that_can_not_be_run_is_refused_before_any_is(
    tmp_path: Path, grid: dict[str, Any], message: str
) -> None:
    path = write_grid_file(tmp_path, [*GRIDS, grid])
    with pytest.raises(DeepcutsError, match=message):
        worklist_of(path, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_combinations_that_come_to_one_cell_are_named(home: Path, tmp_path: Path) -> None:
    """No row is longer than 16 tokens, so the length changes no result; whoever asked for it is told."""
    lengths = {"strategy": "Random", "density": 0.3, "max_length": [16, 24, 8], "seed": 0}
    path = write_grid_file(home, [lengths])
    worklist = worklist_of(path, tmp_path)
    try:
        assert len(worklist.cells) == 1
        (said,) = worklist.merged
        assert said.count("Random max_length") == 3
        assert "max_length 24" in said
    finally:
        write_grid_file(home)
    assert worklist_of(home / "tiny.yaml", tmp_path).merged == ()
