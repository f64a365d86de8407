"""A run from start to end: what it leaves, what its numbers are, what it shares with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runs import data_config, job, without_times
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from deepcuts import Masks
from deepcuts.common import tensor_file
from deepcuts.common.errors import InvariantError
from deepcuts.runs import job as jobs
from deepcuts.runs import saving
from deepcuts.runs.pipeline import prune
from deepcuts.runs.steps import score
from deepcuts.scoring.scores import Scores
from deepcuts.tasks import measure


def test_a_run_leaves_everything_that_it_promises(home: Path, finished: dict[str, Any]) -> None:
    folder = home / "finished"
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {
        "config.json", "environment.json", "history.json", "masks.safetensors", "model",
        "predictions.safetensors", "result.json", "scores.safetensors",
    }  # fmt: skip
    assert json.loads((folder / "result.json").read_text()) == finished
    history = json.loads((folder / "history.json").read_text())
    assert [entry["epoch"] for entry in history["finetune"]] == [1, 2]
    assert [entry["epoch"] for entry in history["retrain"]] == [1, 2]
    assert Scores.load(folder / "scores.safetensors").batches == 6
    assert json.loads((folder / "environment.json").read_text())["packages"]["torch"] == torch.__version__


def test_the_saved_model_has_the_planned_zeros_and_the_stated_measures(
    home: Path, finished: dict[str, Any]
) -> None:
    folder = home / "finished"
    masks = Masks.load(folder / "masks.safetensors")
    assert masks.kept == finished["kept"]["weights"] == round(0.3 * masks.total)
    # Read without any of our code: plain transformers, plain tensors, plain predictions.
    saved = load_file(folder / "model" / "model.safetensors")
    for name, mask in masks.items():
        assert not saved[name][~mask].any()
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    data = job(home).task.data
    logits = [
        model(**tokenizer(*texts, return_tensors="pt")).logits[0].detach().numpy() for texts in data.dev.texts
    ]
    assert measure(data.task, np.stack(logits), data.dev.targets) == pytest.approx(finished["retrained"])


def test_the_measures_of_the_three_models_are_those_of_an_independent_repetition(
    home: Path, finished: dict[str, Any]
) -> None:
    """θ1, M ⊙ θ1 and M ⊙ θ2 are told apart: each measure comes from the model that it names."""
    again = job(home)
    seen: list[dict[str, torch.Tensor]] = []
    original = jobs.predict

    def spy(model: Any, task: Any) -> torch.Tensor:
        seen.append({name: value.detach().clone() for name, value in model.named_parameters()})
        return original(model, task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "predict", spy)
        result = prune(again, home / "again")
    dense, pruned, retrained = seen
    masks = Masks.load(home / "again" / "masks.safetensors")
    for name, mask in masks.items():
        assert torch.equal(pruned[name], dense[name] * mask)
        assert not retrained[name][~mask].any()
    head = "classifier.weight"
    assert torch.equal(pruned[head], dense[head])
    assert not torch.equal(retrained[head], dense[head])
    assert without_times(result) == without_times(finished)  # and the same seed gives the same result
    first, second = (home / name / "masks.safetensors" for name in ("finished", "again"))
    assert first.read_bytes() == second.read_bytes()
    # What each said of the dev rows is there, and gives the measures.
    said, _ = tensor_file.load(home / "again" / "predictions.safetensors", "predictions")
    assert torch.equal(said["targets"], torch.tensor(again.task.dev.targets))
    for phase in ("dense", "pruned", "retrained"):
        assert measure(again.task.data.task, said[phase].numpy(), said["targets"].numpy()) == result[phase]


@pytest.mark.parametrize("mode", ["pretrained", "finetuned"])
def test_retraining_starts_from_the_weights_that_rewind_names(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job(tmp_path, rewind=mode)
    starts: list[dict[str, torch.Tensor]] = []
    original = jobs.train

    def spy(model: Any, *args: Any, **kwargs: Any) -> Any:
        starts.append({name: value.detach().clone() for name, value in model.named_parameters()})
        result = original(model, *args, **kwargs)
        starts.append({name: value.detach().clone() for name, value in model.named_parameters()})
        return result

    monkeypatch.setattr(jobs, "train", spy)
    prune(made, tmp_path / "run")
    theta0, theta1, before_retraining, _ = starts
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    expected = theta0 if mode == "pretrained" else theta1
    for name, value in before_retraining.items():
        # Rewound, the model is at θ0 (train itself puts the masks on); otherwise it is at M ⊙ θ1.
        wanted = expected[name] if mode == "pretrained" or name not in masks else expected[name] * masks[name]
        assert torch.equal(value, wanted), name
    assert not torch.equal(theta0["classifier.weight"], theta1["classifier.weight"])


def test_runs_that_share_a_folder_share_the_dense_model_and_the_scores(
    home: Path, tmp_path: Path, finished: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    first = prune(job(home), tmp_path / "first", shared=shared)
    trained: list[str] = []
    original = jobs.train

    def spy(*args: Any, label: str, **kwargs: Any) -> Any:
        trained.append(label)
        return original(*args, label=label, **kwargs)

    monkeypatch.setattr(jobs, "train", spy)
    monkeypatch.setattr(score, "score_requests", None)  # scoring again would fail
    second = prune(
        job(home, strategy="InvertedGlobalGradCAMShift", density=0.5), tmp_path / "second", shared=shared
    )
    assert trained == ["retrain"]
    assert second["dense"] == first["dense"] == finished["dense"]
    masks, inverted = (Masks.load(tmp_path / name / "masks.safetensors") for name in ("first", "second"))
    assert inverted.kept == round(0.5 * masks.total)
    trained.clear()
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "train", spy)
    prune(job(home, learning_rate=5e-3), tmp_path / "third", shared=shared)  # another dense model
    assert trained == ["fine-tune", "retrain"]


@pytest.mark.parametrize(
    "strategy", ["GlobalMagWeight", "Random", "LayerSmoothGradCAMShift", "LayerGradCAMReLU"]
)
def test_other_strategies_run_to_the_end(home: Path, tmp_path: Path, strategy: str) -> None:
    result = prune(job(home, strategy=strategy, finetune_epochs=1, retrain_epochs=1), tmp_path / "run")
    assert result["strategy"] == strategy
    assert result["kept"]["weights"] == round(0.3 * result["model"]["prunable"])


def test_a_regression_with_a_bounded_head_is_measured_as_it_is_saved(tmp_path: Path) -> None:
    made = job(tmp_path, data_config(tmp_path, regression=True), finetune_epochs=1, retrain_epochs=1)
    result = prune(made, tmp_path / "run")
    assert set(result["retrained"]) == {"mse", "mae", "pearson", "spearman"}
    assert result["baseline"]["pearson"] == 0


def test_a_saved_model_that_is_not_the_measured_one_is_noticed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = saving._write_model

    def tampered(model: Any, tokenizer: Any, folder: Path) -> None:
        with torch.no_grad():
            model.classifier.bias += 1
        original(model, tokenizer, folder)
        with torch.no_grad():
            model.classifier.bias -= 0.5

    monkeypatch.setattr(saving, "_write_model", tampered)
    with pytest.raises(InvariantError, match=r"classifier\.bias"):
        prune(job(home), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()
