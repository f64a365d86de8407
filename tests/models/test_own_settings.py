"""Settings of ours in a configuration, names of outputs, tokenizers and shapes that can't be are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import deepcuts
from runs import data_config, tiny_model_folder

from deepcuts.models import load_finetuned, load_for_task
from deepcuts.tasks.labels import match_labels, names_of


def edited(folder: Path, name: str = "config.json", **values: Any) -> Path:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | values))
    return folder


def data_of(folder: Path) -> list[str]:
    source = data_config(folder)
    return ["--train", str(source.train), "--dev", str(source.dev), "--text", "text", "--label", "target"]


def dry_run(folder: Path, model: Path) -> Any:
    rest = ["--strategy", "Random", "--density", "0.5", "--select-on", "dev", "--dry-run"]
    return deepcuts("prune", "--model", model, *data_of(folder), *rest, "-o", folder / "run")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"deepcuts_max_length": True}, "deepcuts_max_length of its configuration is True"),
        ({"deepcuts_max_length": "x"}, "must be a whole number, 8 or more"),
        ({"deepcuts_max_length": 3}, "must be a whole number, 8 or more"),
        ({"deepcuts_texts": 3}, "must be 1 or 2"),
        ({"deepcuts_output_range": "x"}, "two finite numbers, the lower one first"),
        ({"deepcuts_output_range": [5, 0]}, "two finite numbers, the lower one first"),
        ({"deepcuts_output_range": [0, 5]}, "of a model with one output, and this one has 2"),
        ({"id2label": {"0": "a", "1": "b", "01": "c"}}, "names output 1 twice, as '1' and '01'"),
    ],
)
def test_settings_that_nothing_of_ours_writes_are_refused(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    folder = edited(tiny_model_folder(tmp_path / "model"), **values)
    for command in (["predict", folder, "the dog"], ["inspect", folder]):
        done = deepcuts(*command)
        assert done.returncode == 2
        assert said in done.stderr


def test_a_layer_computed_in_parts_gives_the_same(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    right = deepcuts("predict", folder, "the dog is here").stdout
    assert deepcuts("predict", edited(folder, chunk_size_feed_forward=4), "the dog is here").stdout == right


def test_names_made_up_by_transformers_in_another_order_are_names(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    swapped = {"id2label": {"0": "LABEL_1", "1": "LABEL_0"}, "label2id": {"LABEL_1": 0, "LABEL_0": 1}}
    done = deepcuts("evaluate", edited(folder, **swapped), *data_of(tmp_path))
    assert done.returncode == 2
    assert "its classes are 'LABEL_1', 'LABEL_0', but those of the task train are 'no', 'yes'" in done.stderr
    config = load_finetuned(str(folder))[0].config
    assert names_of(config) == ("LABEL_1", "LABEL_0")
    assert match_labels("t", ["LABEL_0", "LABEL_1"], config).order == (1, 0)


# Tokenizers


@pytest.mark.parametrize("length", [0, -1, True, "x"])
def test_a_tokenizer_whose_greatest_length_is_none_is_refused(tmp_path: Path, length: Any) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    edited(folder, "tokenizer_config.json", model_max_length=length)
    for command in (["predict", folder, "the dog"], ["evaluate", folder, *data_of(tmp_path)]):
        done = deepcuts(*command)
        assert done.returncode == 2
        assert "model_max_length" in done.stderr
    assert dry_run(tmp_path, folder).returncode == 2


def test_no_length_leaves_only_the_special_tokens(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    for length in (1, 2, 7):
        done = deepcuts("predict", folder, "the dog", "--max-length", length)
        assert done.returncode == 2
        assert "max_length" in done.stderr
    edited(folder, "tokenizer_config.json", model_max_length=2)
    done = dry_run(tmp_path, folder)
    assert done.returncode == 2
    assert "take 2 tokens at most" in done.stderr


def test_predict_says_that_the_model_takes_fewer_tokens_than_were_asked_for(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    done = deepcuts("predict", folder, "the dog", "--max-length", 100)
    assert "the model takes 24 tokens at most, so rows are cut there, not at 100" in done.stderr


@pytest.mark.parametrize(
    "values", [{"padding_side": "left"}, {"model_input_names": ["input_ids"]}, {"model_input_names": []}]
)
def test_what_is_said_of_a_text_does_not_depend_on_its_padding(tmp_path: Path, values: Any) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    text, longer = "the dog is here", "the cat is not inside the home of the cow"
    right = deepcuts("predict", folder, text, longer).stdout
    edited(folder, "tokenizer_config.json", **values)
    assert deepcuts("predict", folder, text, longer).stdout == right
    notes: list[str] = []
    load_for_task(str(folder), data_config(tmp_path).load().task, 0, notes=notes)
    assert any("the tokenizer" in note for note in notes)


# What only shows when a model computes


def without_padding(folder: Path) -> None:
    edited(folder, pad_token_id=None)


def with_padding_as_its_last_token(folder: Path) -> None:
    edited(folder, pad_token_id=18, max_position_embeddings=32)


@pytest.mark.parametrize("change", [without_padding, with_padding_as_its_last_token])
def test_what_a_model_can_not_compute_is_known_before_training(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = tiny_model_folder(tmp_path / "model", "roberta")
    change(folder)
    edited(folder, "tokenizer_config.json", model_max_length=100)
    (tmp_path / "long.csv").write_text("text,target\n" + "the dog is here " * 8 + ",no\nthe cat,yes\n" * 4)
    for done in (dry_run(tmp_path, folder), deepcuts("predict", folder, "the dog is here " * 8)):
        if change is without_padding:
            assert done.returncode == 2
            assert "can't compute a batch of texts" in done.stderr
            assert "Traceback" not in done.stderr
        else:  # positions begin behind it, so there are 13
            assert done.returncode == 0, done.stderr
