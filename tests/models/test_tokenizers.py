"""Tokenizers and lengths: the model's own, or refused before anything is computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import deepcuts
from edited_models import edited, set_to
from pruned_models import pruned_run
from runs import data_config, save_over, tiny_model_folder
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from deepcuts.deploy.export.exporting import export
from deepcuts.models import load_for_task
from deepcuts.tasks.encoding import encode


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sparse")
    export(str(pruned_run(home / "run")), "sparse", home / "sparse")
    return home / "sparse"


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
    save_over(model, folder)
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
