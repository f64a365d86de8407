"""What older versions made still opens, by the command line and the names of the package's root alone."""

from __future__ import annotations

import csv
import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from legacy.make import GRID, PRUNE, PRUNE_PAIRS
from safetensors.torch import load_file

import deepcuts

DATA = Path(__file__).parent / "v0.1"
EXPORTS = ["run", "run-sparse", "run.packed"]  # one model in three forms
OWN_FILES = ["--train", "train.csv", "--dev", "dev.csv", "--text", "text", "--label", "target"]

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data, which the paths in it are relative to, as the working folder."""
    folder = tmp_path / "home"
    shutil.copytree(DATA, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``python -m deepcuts`` in this process: status, standard output, standard error."""

    def call(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["deepcuts", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_module("deepcuts", run_name="__main__")
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


def read(path: str | Path) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def close(measures: dict[str, float]) -> Any:
    return pytest.approx(measures, abs=5e-5)


def files(folder: str) -> dict[str, tuple[int, bytes]]:
    """Every file but locks and the like: when it was written, and its content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in Path(folder).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts(path: str, *columns: str, delimiter: str = ",") -> list[list[str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [[row[name] for name in columns] for row in csv.DictReader(file, delimiter=delimiter)]


def same(first: deepcuts.Masks, second: deepcuts.Masks) -> bool:
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


# Masks and scores


@pytest.mark.parametrize("name", ["run", "pairs"])
def test_masks_of_a_run_are_where_its_model_is_not_zero(name: str) -> None:
    masks = deepcuts.Masks.load(f"{name}/masks.safetensors")
    weights = load_file(f"{name}/model/model.safetensors")
    for tensor, mask in masks.items():
        assert mask.dtype is torch.bool
        assert torch.equal(mask, weights[tensor] != 0), tensor
    result = read(f"{name}/result.json")
    assert masks.kept_by_tensor == result["kept"]["by_tensor"]
    assert masks.total == result["model"]["prunable"] == 1208


def test_a_mask_file_and_a_score_file() -> None:
    weights = load_file("model/model.safetensors")
    masks, scores = deepcuts.Masks.load("masks.safetensors"), deepcuts.Scores.load("scores.safetensors")
    assert list(masks) == list(scores)
    for name, values in scores.items():
        assert torch.equal(values, weights[name.removeprefix("bert.")].abs()), name
    assert str(scores.strategy) == "GlobalMagWeight"
    assert (scores.seed, scores.batches) == (3, 0)
    kept = torch.cat([scores[name][masks[name]] for name in masks])
    cut = torch.cat([scores[name][~masks[name]] for name in masks])
    assert (len(kept), len(cut)) == (302, 906)
    assert kept.min() >= cut.max()
    assert same(deepcuts.select(scores, deepcuts.Budget.from_sparsity(0.75)), masks)


@pytest.mark.parametrize("name", ["run", "pairs"])
def test_the_scores_of_a_run_give_its_masks_again(name: str) -> None:
    scores = deepcuts.Scores.load(f"{name}/scores.safetensors")
    result = read(f"{name}/result.json")
    assert str(scores.strategy) == result["strategy"]
    assert (scores.batches, scores.options.paths) == (
        result["scoring"]["batches"],
        {"run": 10, "pairs": 2}[name],
    )
    budget = deepcuts.Budget.from_density(result["budget"]["density"])
    assert same(deepcuts.select(scores, budget), deepcuts.Masks.load(f"{name}/masks.safetensors"))


def test_inspect_shows_the_counts_that_the_result_states(command: Command) -> None:
    status, out, errors = command("inspect", "run")
    assert status == 0, errors
    kept = read("run/result.json")["kept"]
    for name, count in kept["by_tensor"].items():
        row = next(line.split() for line in out.splitlines() if name in line)
        assert row[2] == f"{count:,}"
        assert int(row[4]) == int(row[1]) - count  # zeros in the model
    assert f"{kept['weights']:,}" in next(line for line in out.splitlines() if line.startswith("  all "))
    assert "LayerGradCAMShift, density 0.3, tensor scope, seed 0" in out
    assert "Verified: every cut weight is exactly 0 in run/model" in out


def test_inspect_a_mask_file(command: Command) -> None:
    status, out, errors = command("inspect", "masks.safetensors")
    assert status == 0, errors
    row = next(line.split() for line in out.splitlines() if line.startswith("  all "))
    assert row == ["all", "1,208", "302", "0.2500"]
    assert "GlobalMagWeight, sparsity 0.75, global scope, seed 3" in out


def test_compare_runs_and_a_mask_file(command: Command) -> None:
    status, _, errors = command("compare", "run", "pairs", "-o", "tables")
    assert status == 0, errors
    first, second = (deepcuts.Masks.load(f"{name}/masks.safetensors") for name in ("run", "pairs"))
    both = sum(int((first[name] & second[name]).sum()) for name in first)
    row = next(row for row in table("tables/overlap.csv") if row["level"] == "overall")
    assert float(row["kept_iou"]) == pytest.approx(both / (first.kept + second.kept - both))
    ranks = {row["tensor"]: float(row["spearman"]) for row in table("tables/ranks.csv")}
    assert ranks.keys() == first.keys()  # the scores were read too
    status, out, errors = command("compare", "run", "masks.safetensors", "--by", "layer")
    assert status == 0, errors
    row = next(line.split() for line in out.splitlines() if line.startswith("  overall "))
    assert row[1:3] == ["0.300,", "0.250"]


# Models


def test_evaluate_a_run_gives_what_its_result_states(command: Command) -> None:
    for name in ("run", "pairs"):
        status, out, errors = command("evaluate", name, "--json")
        assert status == 0, errors
        found, result = json.loads(out), read(f"{name}/result.json")
        assert found["model"] == close(result["retrained"])
        assert found["baseline"] == close(result["baseline"])
        assert (found["task"], found["digest"]) == (result["task"]["name"], result["task"]["digest"])


@pytest.mark.parametrize("name", ["run-sparse", "run.packed"])
def test_evaluate_an_export_gives_what_the_run_states(command: Command, name: str) -> None:
    status, out, errors = command("evaluate", name, "--json", *OWN_FILES)
    assert status == 0, errors
    assert json.loads(out)["model"] == close(read("run/result.json")["retrained"])


@pytest.mark.parametrize("name", EXPORTS)
def test_load_pruned_gives_every_weight_bit_for_bit(name: str) -> None:
    model, tokenizer = deepcuts.load_pruned(name)
    expected = load_file("run/model/model.safetensors")
    found = dict(model.named_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key].view(torch.int32), expected[key].view(torch.int32)) for key in expected)
    assert model.config.id2label == {0: "no", 1: "yes"}
    assert tokenizer("the dog is here")["input_ids"] == [2, 5, 8, 6, 14, 3]


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("runtime", ["dense", "sparse"])
def test_predict_gives_what_the_run_predicted(command: Command, name: str, runtime: str) -> None:
    dev = [text for (text,) in texts("dev.csv", "text")]
    status, out, errors = command("predict", name, *dev, "--runtime", runtime)
    assert status == 0, errors
    rows = [json.loads(line) for line in out.splitlines()]
    expected = load_file("run/predictions.safetensors")["retrained"].softmax(-1)
    assert [row["text"] for row in rows] == dev
    assert [row["label"] for row in rows] == [["no", "yes"][int(one.argmax())] for one in expected]
    for row, one in zip(rows, expected.tolist(), strict=True):
        assert row["scores"] == pytest.approx({"no": one[0], "yes": one[1]}, abs=1e-4)
    assert len({row["label"] for row in rows}) == 2


def test_predict_pairs_by_a_bounded_head(command: Command) -> None:
    dev = texts("glue/STS-B/dev.tsv", "sentence1", "sentence2", delimiter="\t")
    status, out, errors = command("predict", "pairs", "--pair", *(text for pair in dev for text in pair))
    assert status == 0, errors
    rows = [json.loads(line) for line in out.splitlines()]
    expected = load_file("pairs/predictions.safetensors")["retrained"][:, 0]
    assert [[row["text"], row["pair"]] for row in rows] == dev
    assert [row["value"] for row in rows] == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("form", ["dense", "sparse", "packed"])
def test_export_anew_keeps_masks_and_weights(command: Command, name: str, form: str) -> None:
    status, _, errors = command("export", name, "--format", form, "-o", "new")
    assert status == 0, errors
    model, _ = deepcuts.load_pruned("new")
    masks = deepcuts.Masks.load("run/masks.safetensors")
    found, expected = dict(model.named_parameters()), load_file("run/model/model.safetensors")
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert all(torch.equal(found[key] != 0, mask) for key, mask in masks.items())
    status, out, errors = command("evaluate", "new", "--json", *OWN_FILES)
    assert status == 0, errors
    assert json.loads(out)["model"] == close(read("run/result.json")["retrained"])


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
