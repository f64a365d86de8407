"""A finished run is the answer to the same command only while its inputs are what they were."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import deepcuts
from runs import data_config, tiny_model_folder
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model, data, and a finished run of them."""
    folder = tmp_path_factory.mktemp("home")
    tiny_model_folder(folder / "model")
    data_config(folder)
    assert command(folder).returncode == 0
    return folder


def command(folder: Path, *more: object) -> Any:
    names = {"model": "model", "train": "train.csv", "dev": "dev.csv"}
    places = [word for name, file in names.items() for word in (f"--{name}", folder / file)]
    columns = ["--text", "text", "--label", "target"]
    settings = [*columns, "--strategy", "LayerMagWeight", "--density", "0.3", "--epochs", "1+0"]
    return deepcuts("prune", *places, *settings, "-o", folder / "run", *more)


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(change((folder / name).read_text()))


def other_weights(folder: Path) -> None:
    path = folder / "model" / "model.safetensors"
    tensors = load_file(path)
    tensors["bert.embeddings.word_embeddings.weight"] += 0.01
    save_file(tensors, path, {"format": "pt"})


CHANGES: dict[str, Callable[[Path], object]] = {
    "the training rows": edit(
        "train.csv", lambda text: text.replace(",no", ",?").replace(",yes", ",no").replace(",?", ",yes")
    ),
    "the dev rows": edit("dev.csv", lambda text: text.replace("dog", "cat", 1).replace("hen", "pig", 1)),
    "the weights of the model": other_weights,
    "the configuration of the model": edit(
        "model/config.json", lambda text: json.dumps({**json.loads(text), "hidden_act": "relu"})
    ),
    "tokens that they become": edit("model/tokenizer.json", lambda text: text.replace('"dog"', '"owl"')),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_finished_run_of_other_inputs_is_refused_and_left_as_it_is(
    finished: Path, tmp_path: Path, what: str
) -> None:
    for name in ("model", "train.csv", "dev.csv", "run"):
        copy = shutil.copytree if (finished / name).is_dir() else shutil.copy
        copy(finished / name, tmp_path / name)
    # Its own configuration names the files; they are where the command says.
    path = tmp_path / "run" / "config.json"
    path.write_text(path.read_text().replace(str(finished), str(tmp_path)))
    before = (tmp_path / "run" / "result.json").read_bytes()
    assert "finished already" in command(tmp_path).stderr
    CHANGES[what](tmp_path)
    for more in ([], ["--dry-run"]):
        done = command(tmp_path, *more)
        assert done.returncode == 2
        message = done.stderr.splitlines()[-1]
        assert "holds a finished run of other inputs" in message
        assert what in message
        assert (tmp_path / "run" / "result.json").read_bytes() == before
    older = json.loads(before)  # which states two digests
    del older["inputs"]
    (tmp_path / "run" / "result.json").write_text(json.dumps(older))
    if what in ("the training rows", "the dev rows", "the weights of the model"):
        assert command(tmp_path).returncode == 2


def test_overwriting_makes_it_anew(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "home")
    home = tmp_path / "home"
    path = home / "run" / "config.json"
    path.write_text(path.read_text().replace(str(finished), str(home)))
    CHANGES["the dev rows"](home)
    assert command(home, "--overwrite").returncode == 0
    assert "finished already" in command(home).stderr


def test_scores_that_a_finished_run_did_not_keep_are_not_promised(finished: Path) -> None:
    done = command(finished, "--keep-scores")
    assert done.returncode == 2
    assert "keep_scores: the finished run" in done.stderr


@pytest.mark.parametrize("content", ["[]", "null", "{", '"text"', "[" * 5000])
def test_a_result_that_is_none_is_one_message(finished: Path, tmp_path: Path, content: str) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    path = tmp_path / "run" / "result.json"
    path.write_text(content)
    names = {"run": "run", "model": "model", "train.csv": "train.csv", "dev.csv": "dev.csv"}
    for name in names:
        if name != "run":
            (tmp_path / name).symlink_to(finished / name)
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace(str(finished), str(tmp_path)))
    done = command(tmp_path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
