"""Runs and stores of version 0.1 are gone on with: nothing that was done is done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from legacy.make import GRID, PRUNE, PRUNE_PAIRS
from old_files import Command, read, same, table

import deepcuts


def files(folder: str) -> dict[str, tuple[int, bytes]]:
    """Every file but locks and the like: when it was written, and its content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in Path(folder).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


# Runs


@pytest.mark.parametrize("arguments", [PRUNE, [*PRUNE_PAIRS, "pairs"]], ids=["run", "pairs"])
def test_the_command_of_a_finished_run_says_so_and_changes_nothing(
    command: Command, arguments: list[str]
) -> None:
    folder = arguments[-1]
    before = files(folder)
    status, out, errors = command(*arguments)
    assert status == 0, errors
    assert "finished already" in errors
    result = read(f"{folder}/result.json")
    assert f"{result['retrained'][result['task']['primary']]:.4f}" in out
    assert files(folder) == before


def test_another_command_for_a_finished_run_is_refused_naming_the_difference(command: Command) -> None:
    before = files("run")
    arguments = [argument if argument != "0.3" else "0.5" for argument in PRUNE]
    status, _, errors = command(*arguments)
    assert status == 2
    assert "density: 0.3 there, 0.5 now" in errors
    assert errors.count(" there, ") == 1  # nothing else differs
    assert files("run") == before


@pytest.mark.parametrize("folder", ["pairs-scored", "pairs-retraining"])
def test_an_interrupted_run_goes_on_where_it_stopped(command: Command, folder: str) -> None:
    (dense,) = Path(folder).glob("work/finetune-*/stage.json")
    (scored,) = Path(folder).glob("work/score-*/stage.json")
    seconds = {"finetune": read(dense)["record"]["seconds"], "score": read(scored)["record"]["seconds"]}
    status, _, errors = command(*PRUNE_PAIRS, folder)
    assert status == 0, errors
    result, expected = read(f"{folder}/result.json"), read("pairs/result.json")
    # No other training and no other sweep would have taken just as long.
    assert {name: result["seconds"][name] for name in seconds} == seconds
    assert "fine-tune: epoch" not in errors
    assert ("retrain: epoch 1/4" in errors) == (folder == "pairs-scored")
    assert "retrain: epoch 2/4" in errors
    assert same(*(deepcuts.Masks.load(f"{name}/masks.safetensors") for name in (folder, "pairs")))
    # Retraining rounds as this machine does, so it may end a little elsewhere than it did on the other.
    for phase, tolerance in {"dense": 1e-6, "pruned": 1e-3, "retrained": 2e-2}.items():
        assert result[phase] == pytest.approx(expected[phase], abs=tolerance), phase
    assert not Path(folder, "work").exists()


# Stores


def cells() -> dict[str, Any]:
    """Key → result of each finished cell."""
    paths = Path("store").glob("cell-*/result.json")
    return {path.parent.name.removeprefix("cell-"): read(path) for path in paths}


def test_report_of_a_store_states_what_its_cells_found(command: Command) -> None:
    status, out, errors = command("report", "store", "--grid", "tiny", "-o", "report", "--replicates", 100)
    assert status == 0, errors
    assert "report.html" in out
    found = {row["cell"]: row for row in table("report/tables/cells.csv")}
    results = cells()
    assert len(results) == 4
    assert {key for key, row in found.items() if row["status"] == "done"} == results.keys()
    assert [row["status"] for key, row in found.items() if key not in results] == ["failed"]
    for key, result in results.items():
        assert found[key]["strategy"] == result["strategy"]
        assert int(found[key]["seed"]) == result["seed"]
        assert float(found[key]["density"]) == pytest.approx(result["kept"]["density"], abs=1e-6)
    for strategy in ("LayerMagWeight", "LayerMagGrad"):
        (row,) = [
            row
            for row in table("report/tables/performance.csv")
            if (row["strategy"], row["measure"], row["phase"]) == (strategy, "pearson", "after retraining")
        ]
        values = [one["retrained"]["pearson"] for one in results.values() if one["strategy"] == strategy]
        assert float(row["mean"]) == pytest.approx(sum(values) / 2)
    page = Path("report/report.html").read_text(encoding="utf-8")
    assert "the training loss became nan at step 2" in page
    assert "384bc12" in page  # the commit that made the cells, not the one that reports


def test_the_command_of_a_finished_grid_runs_nothing_again(command: Command) -> None:
    before = files("store")
    status, out, errors = command("grid", "tiny.yaml", "--store", "store")
    assert status == 1, errors  # a cell failed, when the grid was run
    assert "the training loss became nan at step 2" in errors
    assert "epoch 1/1" not in errors
    for work in ("fine-tuning, epochs", "scoring, passes", "retraining, epochs"):
        assert next(line for line in out.splitlines() if work in line).split()[-1] == "0"
    assert files("store") == before


def test_a_grid_with_another_cell_reuses_the_stages_of_the_store(command: Command) -> None:
    before, known = files("store"), cells()
    Path("more.yaml").write_text(GRID.replace("density: 0.4", "density: [0.4, 0.6]"), encoding="utf-8")
    status, _, errors = command("grid", "more.yaml", "--store", "store")
    assert status == 1, errors
    after = files("store")
    made = {name.partition("/")[0] for name in after.keys() - before.keys()}
    made.discard("grids")
    assert len(made) == 4
    assert all(name.startswith("cell-") for name in made)
    assert all(after[name] == before[name] for name in before if not name.startswith("grids/"))
    new = [result for key, result in cells().items() if key not in known]
    assert len(new) == 4
    for result in new:
        old = next(
            one
            for one in known.values()
            if (one["strategy"], one["seed"]) == (result["strategy"], result["seed"])
        )
        assert result["dense"] == old["dense"]
        assert result["seconds"]["finetune"] == old["seconds"]["finetune"]
        assert result["seconds"]["score"] == old["seconds"]["score"]


def test_a_run_finds_the_fine_tuned_model_and_the_scores_in_a_store(command: Command) -> None:
    before = files("store")
    status, _, errors = command(
        "prune", "--model", "model", "--train", "values.csv", "--dev", "values-dev.csv", "--text", "text",
        "--label", "target", "--kind", "regression", "--strategy", "LayerMagGrad", "--density", 0.4,
        "--epochs", "1+1", "--batch-size", 8, "--learning-rate", 0.01, "--seed", 1, "--shared", "store",
        "-o", "shared",
    )  # fmt: skip
    assert status == 0, errors
    assert files("store") == before
    result = read("shared/result.json")
    key, old = next(
        (key, one) for key, one in cells().items() if (one["strategy"], one["seed"]) == ("LayerMagGrad", 1)
    )
    assert result["dense"] == old["dense"]
    assert result["seconds"]["finetune"] == old["seconds"]["finetune"]
    paths = "shared/masks.safetensors", f"store/cell-{key}/masks.safetensors"
    assert same(*map(deepcuts.Masks.load, paths))
