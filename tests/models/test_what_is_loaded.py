"""Nothing is computed with weights that are random, left out, or no numbers, nor with a wrong tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import deepcuts
from edited_models import Change, edited, set_to
from pruned_models import pruned_run
from runs import data_config, save_over, tiny_model_folder
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, BertModel

from deepcuts.common.errors import FileFormatError, ModelError
from deepcuts.deploy.export.exporting import export
from deepcuts.deploy.runtime.loading import load
from deepcuts.models import load_finetuned, load_for_task
from deepcuts.tasks import named_tasks


def swap(content: dict[str, Any]) -> None:
    content["id2label"], content["label2id"] = {"0": "no", "1": "yes"}, {"no": 0, "yes": 1}


WRONG = {
    "feed-forward": set_to(intermediate_size=32),
    "positions": set_to(max_position_embeddings=16),
    "vocabulary": set_to(vocab_size=25),
    "fewer layers": set_to(num_hidden_layers=1),
    "more layers": set_to(num_hidden_layers=3),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_configuration_of_other_weights_is_refused_by_every_command(tmp_path: Path, change: Change) -> None:
    run = pruned_run(tmp_path / "run")
    edited(run / "model", change)
    base = tmp_path / "base"
    save_over(BertModel.from_pretrained(tiny_model_folder(base)), base)
    edited(base, change)
    source = data_config(tmp_path)
    files = ["--train", source.train, "--dev", source.dev, "--text", "text", "--label", "target"]
    for command in (
        [
            "prune",
            "--select-on",
            "dev",
            "--model",
            base,
            *files,
            "--density",
            0.5,
            "-o",
            tmp_path / "out",
            "--dry-run",
        ],
        [
            "prune",
            "--select-on",
            "dev",
            "--model",
            run,
            *files,
            "--density",
            0.5,
            "-o",
            tmp_path / "out",
            "--dry-run",
        ],
        ["evaluate", run, *files],
        ["predict", run, "the dog"],
        ["bench", run, "--shape", "1x8", "--no-memory"],
        ["export", run, "-o", tmp_path / "out"],
        ["inspect", run],
    ):
        done = deepcuts(*command)
        assert done.returncode == 2, command
        assert "deepcuts: model: " in done.stderr, done.stderr
        assert "would be random" in done.stderr or "would be left out" in done.stderr
    assert not (tmp_path / "out").exists()


ANSWERS_OTHERWISE = {
    "layers": set_to(num_hidden_layers=1),
    "heads": set_to(num_attention_heads=4),
    "function": set_to(hidden_act="relu"),
    "epsilon": set_to(layer_norm_eps=0.1),
    "labels": swap,
    "problem": set_to(problem_type="regression"),
    "length": set_to(deepcuts_max_length=9),
}


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sparse")
    export(str(pruned_run(home / "run")), "sparse", home / "sparse")
    return home / "sparse"


@pytest.mark.parametrize("change", ANSWERS_OTHERWISE.values(), ids=ANSWERS_OTHERWISE)
def test_the_sparse_format_notices_a_changed_configuration(
    tmp_path: Path, sparse: Path, change: Change
) -> None:
    folder = edited(shutil.copytree(sparse, tmp_path / "sparse"), change)
    with pytest.raises(Exception, match="was altered after it was written"):
        AutoModelForSequenceClassification.from_pretrained(folder)
    with pytest.raises(FileFormatError, match=r"was altered after it was written|the model does not have"):
        load(folder)
    done = deepcuts("predict", folder, "the dog")
    assert (done.returncode, done.stdout) == (2, "")


def test_what_changes_no_output_may_change(tmp_path: Path, sparse: Path) -> None:
    folder = shutil.copytree(sparse, tmp_path / "sparse")
    edited(folder, set_to(transformers_version="5.6.0", _name_or_path="elsewhere", use_cache=False))
    model, _ = load_finetuned(str(folder))
    before, _ = load_finetuned(str(sparse))
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in model.state_dict().items())


def test_saved_again_by_transformers_it_opens_again(tmp_path: Path, sparse: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(sparse)
    model.config.hidden_dropout_prob = 0.3
    model.save_pretrained(tmp_path / "again")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "again")
    assert again.config.hidden_dropout_prob == 0.3
    edited(tmp_path / "again", set_to(hidden_act="relu"))
    with pytest.raises(Exception, match="was altered after it was written"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "again")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["bert.embeddings.LayerNorm.bias"][3] = value
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    for loading in (
        lambda: load_finetuned(str(folder)),
        lambda: load_for_task(str(folder), named_tasks()["cola"], 0),
    ):
        with pytest.raises(
            ModelError, match=r"1 of the 16 values of bert.embeddings.LayerNorm.bias in .* are NaN"
        ):
            loading()


def test_finite_weights_whose_sum_overflows_are_weights(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["bert.embeddings.LayerNorm.bias"][:] = 3e38
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    load_finetuned(str(folder))


@pytest.mark.parametrize(
    "change", [set_to(return_dict=False), set_to(output_attentions=True)], ids=["tuple", "attentions"]
)
def test_unusual_outputs_change_nothing(tmp_path: Path, change: Change) -> None:
    plain = tiny_model_folder(tmp_path / "plain")
    other = edited(shutil.copytree(plain, tmp_path / "other"), change)
    said = [deepcuts("predict", folder, "the dog is here").stdout for folder in (plain, other)]
    assert said[0] == said[1] != ""
    made = [
        load_for_task(str(folder), named_tasks()["cola"], 0)[0].config.to_diff_dict()
        for folder in (plain, other)
    ]
    assert made[0] == made[1]


def test_weights_in_a_pickle_are_not_opened_and_the_way_out_is_named(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"nothing that anyone should open")
    done = deepcuts("predict", folder, "the dog")
    assert done.returncode == 2
    assert "is never opened here" in done.stderr
    assert "use_safetensors=False).save_pretrained('NEW')" in done.stderr
