"""Nothing is computed with weights that are random, left out, or no numbers, nor with a wrong tokenizer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import deepcuts
from pruned_models import pruned_run
from runs import data_config, tiny_model_folder
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel

from deepcuts.common.errors import FileFormatError, ModelError
from deepcuts.deploy.export.exporting import export
from deepcuts.deploy.runtime.loading import load
from deepcuts.models import load_finetuned, load_for_task
from deepcuts.tasks import named_tasks
from deepcuts.tasks.encoding import encode

Change = Callable[[dict[str, Any]], None]


def set_to(**values: Any) -> Change:
    return lambda content: content.update(values)


def swap(content: dict[str, Any]) -> None:
    content["id2label"], content["label2id"] = {"0": "no", "1": "yes"}, {"no": 0, "yes": 1}


def edited(folder: Path, change: Change) -> Path:
    content = json.loads((folder / "config.json").read_text())
    change(content)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


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
    BertModel.from_pretrained(tiny_model_folder(base)).save_pretrained(base)
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


# Tokenizers


def without_tokenizer(folder: Path) -> None:
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


def with_an_added_token(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["brandnew"])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_tokenizer, "knows no words"),
        (with_an_added_token, "knows 'brandnew' as 19, but the model has embeddings for 19"),
    ],
)
def test_a_tokenizer_that_is_not_the_models_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    spoil(folder)
    source = data_config(tmp_path)
    files = ["--train", source.train, "--dev", source.dev, "--text", "text", "--label", "target"]
    for command in (
        [
            "prune",
            "--select-on",
            "dev",
            "--model",
            folder,
            *files,
            "--density",
            0.5,
            "-o",
            tmp_path / "out",
            "--dry-run",
        ],
        ["evaluate", folder, *files],
        ["predict", folder, "the dog"],
    ):
        done = deepcuts(*command)
        assert done.returncode == 2, command
        assert message in done.stderr, done.stderr


def test_a_tokenizer_with_an_added_token_and_resized_embeddings_works(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    with_an_added_token(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.resize_token_embeddings(20)
    model.save_pretrained(folder)
    assert deepcuts("predict", folder, "the brandnew dog").returncode == 0


def test_padding_comes_from_the_models_configuration(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    expected = deepcuts("predict", folder, "the dog", "the cat is not here").stdout
    tokenizer_config = json.loads((folder / "tokenizer_config.json").read_text())
    del tokenizer_config["pad_token"]
    (folder / "tokenizer_config.json").write_text(
        json.dumps(tokenizer_config | {"tokenizer_class": "PreTrainedTokenizerFast"})
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.pad_token_id is None
    assert deepcuts("predict", folder, "the dog", "the cat is not here").stdout == expected
    edited(folder, set_to(pad_token_id=None))
    done = deepcuts("predict", folder, "the dog")
    assert done.returncode == 2
    assert "no token for padding" in done.stderr


def test_data_of_which_the_tokenizer_knows_no_word_are_refused_before_training(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    rows = "text,target\n" + "".join(f"völlig andere wörter {index},{index % 2}\n" for index in range(8))
    (tmp_path / "data.csv").write_text(rows)
    files = [
        "--train",
        tmp_path / "data.csv",
        "--dev",
        tmp_path / "data.csv",
        "--text",
        "text",
        "--label",
        "target",
    ]
    done = deepcuts(
        "prune",
        "--select-on",
        "dev",
        "--model",
        folder,
        *files,
        "--density",
        0.5,
        "-o",
        tmp_path / "out",
        "--dry-run",
    )
    assert done.returncode == 2
    assert "100% of the tokens of the training rows are [UNK]" in done.stderr


# Lengths


def test_predict_reads_as_many_tokens_as_the_run_did(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "model")
    source = data_config(tmp_path)
    files = ["--train", source.train, "--dev", source.dev, "--text", "text", "--label", "target"]
    run = tmp_path / "run"
    done = deepcuts(
        "prune", "--select-on", "dev",
        "--model", tmp_path / "model", *files, "--density", 0.5, "--epochs", "0+0", "-o", run,
        "--strategy", "LayerMagWeight", "--max-length", 8,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    long = "the dog is here the cat is not away the cow is home"
    short = " ".join(long.split()[:6])
    export(str(run), "sparse", tmp_path / "sparse")
    export(str(run), "packed", tmp_path / "packed")
    for form in (run, run / "model", tmp_path / "sparse", tmp_path / "packed"):
        done = deepcuts("predict", form, long, short)
        first, second = (json.loads(line) for line in done.stdout.splitlines())
        assert first["score"] == pytest.approx(second["score"], abs=1e-6), form
        assert "length: 1 texts were cut to 8 tokens" in done.stderr
        longer = json.loads(deepcuts("predict", form, long, "--max-length", 24).stdout)
        assert longer["score"] != pytest.approx(first["score"], abs=1e-6)
    again, tokenizer = load_for_task(str(run), source.load().task, 0)
    assert encode(source.load(), tokenizer, again).length == 24  # another run's limit is its own


def test_a_length_beyond_the_models_is_cut_and_that_is_said(tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "model")
    source = data_config(tmp_path)
    files = ["--train", source.train, "--dev", source.dev, "--text", "text", "--label", "target"]
    done = deepcuts(
        "prune", "--select-on", "dev",
        "--model", tmp_path / "model", *files, "--density", 0.5, "-o", tmp_path / "run",
        "--max-length", 500, "--dry-run",
    )  # fmt: skip
    assert "the model takes 24 tokens at most, so rows are cut there, not at 500" in done.stdout


@pytest.mark.parametrize(("padding", "tokens"), [(0, 31), (1, 30)])
def test_roberta_counts_positions_from_its_padding_on(tmp_path: Path, padding: int, tokens: int) -> None:
    folder = tiny_model_folder(tmp_path / "model", "roberta", pad_token_id=padding)
    limit = json.loads((folder / "tokenizer_config.json").read_text()) | {"model_max_length": 100}
    (folder / "tokenizer_config.json").write_text(json.dumps(limit))
    done = deepcuts("predict", folder, "the dog is here " * 20)
    assert done.returncode == 0, done.stderr
    assert f"cut to {tokens} tokens" in done.stderr


def test_weights_in_a_pickle_are_not_opened_and_the_way_out_is_named(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"nothing that anyone should open")
    done = deepcuts("predict", folder, "the dog")
    assert done.returncode == 2
    assert "is never opened here" in done.stderr
    assert "use_safetensors=False).save_pretrained('NEW')" in done.stderr
