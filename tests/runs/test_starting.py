"""Runs that start at a model that is fine-tuned already, with θ0 beside it or without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from commands import deepcuts as command
from runs import data_config, job, save_over, tiny_model_folder
from transformers import AutoModel, AutoModelForSequenceClassification, BertModel

from deepcuts.common.errors import DeepcutsError, InputError, ModelError, RunFolderError
from deepcuts.masks.masks import Masks
from deepcuts.runs.pipeline import prune

TUNED: dict[str, Any] = {"finetune_epochs": None, "start": "finetuned", "retrain_epochs": 0}


def values(folder: Path) -> dict[str, torch.Tensor]:
    return AutoModelForSequenceClassification.from_pretrained(folder).state_dict()


def test_it_is_scored_as_it_is_and_goes_on_from_its_own_values(tmp_path: Path) -> None:
    result = prune(job(tmp_path, **TUNED), tmp_path / "run")
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    before = values(tmp_path / "model")
    for name, value in values(tmp_path / "run" / "model").items():
        assert torch.equal(value, before[name] * masks[name] if name in masks else before[name])
    assert result["rewind"] == "finetuned"
    assert result["finetuning"]["epochs"] == 0


def test_it_goes_back_to_pretrained_values_where_they_are_named(tmp_path: Path) -> None:
    theta0 = tmp_path / "theta0"
    tiny_model_folder(theta0, seed=9)
    save_over(AutoModel.from_pretrained(theta0), theta0)  # no head in it
    result = prune(job(tmp_path, **TUNED, pretrained=str(theta0)), tmp_path / "run")
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    first = BertModel.from_pretrained(theta0).state_dict()
    for name, value in values(tmp_path / "run" / "model").items():
        if name.startswith("bert."):
            expected = first[name.removeprefix("bert.")]
            assert torch.equal(value, expected * masks[name] if name in masks else expected)
    assert result["rewind"] == "pretrained"
    # θ0 changes: the finished run is not the answer any more.
    tiny_model_folder(theta0, seed=10)
    again = job(tmp_path, **TUNED, pretrained=str(theta0))
    with pytest.raises(RunFolderError, match="pretrained weights"):
        prune(again, tmp_path / "run")


def test_a_model_without_a_trained_head_is_not_fine_tuned(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "model")
    save_over(AutoModel.from_pretrained(tmp_path / "model"), tmp_path / "model")
    with pytest.raises(ModelError, match=r"starts fine-tuned, but the head is new"):
        job(tmp_path, **TUNED)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pretrained": "model"}, "pretrained: .*start finetuned"),
        ({"start": "finetuned", "finetune_epochs": 2}, "finetune_epochs: .*it is 0"),
        ({"start": "finetuned", "rewind": "pretrained"}, "rewind: .*needs pretrained"),
        ({"start": "finetuned", "pretrained": "model", "rewind": "finetuned"}, "pretrained: .*not read"),
        ({"start": "finetuned", "pretrained": "model", "recipe": "none"}, "pretrained: .*never goes back"),
        ({"start": "trained"}, "start: .*pretrained"),
        ({"start": "finetuned", "head": "new"}, "starts fine-tuned, but the head is new"),
    ],
)
def test_what_contradicts_it_is_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"finetune_epochs": None, **given}
    if given.get("recipe") == "none":
        settings["retrain_epochs"] = None
    with pytest.raises(DeepcutsError, match=message):
        job(tmp_path, **settings)


def test_another_shape_is_no_start_of_it(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "theta0", num_hidden_layers=1)
    with pytest.raises(InputError, match=r"pretrained: .*to go back to"):
        job(tmp_path, **TUNED, pretrained=str(tmp_path / "theta0"))


def test_on_the_command_line(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "model")
    data = data_config(tmp_path)
    asked = [
        "prune",
        "--model",
        tmp_path / "model",
        "--train",
        data.train,
        "--dev",
        data.dev,
        "--text",
        "text",
    ]
    done = command(
        *asked, "--label", "target", "--density", "0.3", "--start", "finetuned", "--retrain-epochs", "1",
        "--learning-rate", "1e-3", "--output", tmp_path / "run", "--dry-run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "0 epochs" in done.stdout
    assert "from the finetuned weights" in done.stdout
