"""What older versions made still opens, by the command line and the names of the package's root alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from old_files import Command, read, same, table
from safetensors.torch import load_file

import deepcuts

EXPORTS = ["run", "run-sparse", "run.packed"]  # one model in three forms
OWN_FILES = ["--train", "train.csv", "--dev", "dev.csv", "--text", "text", "--label", "target"]


def close(measures: dict[str, float]) -> Any:
    return pytest.approx(measures, abs=5e-5)


def known_then(measures: dict[str, float]) -> dict[str, float]:
    """Measures without the one that version 0.1 didn't have."""
    return {name: value for name, value in measures.items() if name != "macro_f1"}


def texts(path: str, *columns: str, delimiter: str = ",") -> list[list[str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [[row[name] for name in columns] for row in csv.DictReader(file, delimiter=delimiter)]


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
        assert known_then(found["model"]) == close(result["retrained"])
        assert known_then(found["baseline"]) == close(result["baseline"])
        assert (found["task"], found["digest"]) == (result["task"]["name"], result["task"]["digest"])


@pytest.mark.parametrize("name", ["run-sparse", "run.packed"])
def test_evaluate_an_export_gives_what_the_run_states(command: Command, name: str) -> None:
    status, out, errors = command("evaluate", name, "--json", *OWN_FILES)
    assert status == 0, errors
    assert known_then(json.loads(out)["model"]) == close(read("run/result.json")["retrained"])


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
    assert known_then(json.loads(out)["model"]) == close(read("run/result.json")["retrained"])
