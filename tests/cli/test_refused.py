"""Every bad input of prune is refused with one clear message and status 2, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import tiny
from prune_arguments import Run, arguments
from runs import config, tiny_model_folder, write_csv

from deepcuts import Budget
from deepcuts.architectures.parameters import prunable_parameters


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


BAD = {
    "unknown strategy": ({"strategy": "LayerGradCam"}, "LayerGradCAM"),
    "density 0": ({"density": 0}, "density: got 0"),
    "density below 0": ({"density": -0.1}, "density: got -0.1"),
    "density above 1": ({"density": 1.5}, "density: got 1.5"),
    "density not a number": ({"density": "nan"}, "density: got nan"),
    "density that keeps nothing": ({"density": 1e-9}, "at least one"),
    "ratio 0": ({"density": None, "compression": 0}, "compression: got 0"),
    "ratio below 1": ({"density": None, "compression": 0.5}, "1 or more"),
    "ratio infinite": ({"density": None, "compression": "inf"}, "compression: got inf"),
    "ratio out of reach": ({"density": None, "compression": 99}, "highest reachable ratio is"),
    "sparsity 1": ({"density": None, "sparsity": 1}, "sparsity: got 1"),
    "two budgets": ({"sparsity": 0.5}, "exactly one of"),
    "no budget": ({"density": None}, "exactly one of"),
    "missing model": ({"model": "./nowhere"}, "no folder './nowhere'"),
    "missing training file": ({"train": "nowhere.csv"}, "nowhere.csv"),
    "unknown column": ({"text": "sentence"}, "sentence"),
    "unknown label column": ({"label": "klass"}, "klass"),
    "unknown task": ({"task": "stsbb", "train": None, "dev": None, "text": None, "label": None}, "stsb"),
    "no task": ({"train": None, "dev": None, "text": None, "label": None}, "name a task"),
    "task and files": ({"task": "sst2"}, "take its place"),
    "half of own files": ({"dev": None}, "need --dev"),
    "missing data folder": (
        {"task": "sst2", "data": "nowhere", "train": None, "dev": None, "text": None, "label": None},
        "nowhere",
    ),
    "epochs not two numbers": ({"epochs": "3"}, "FINETUNE+RETRAIN"),
    "learning rate 0": ({"learning_rate": 0}, "learning_rate: got 0"),
    "batch size 0": ({"batch_size": 0}, "batch_size: got 0"),
    "unknown scope": ({"scope": "column"}, "scope: got 'column'"),
    "unknown rewind": ({"rewind": "start"}, "rewind: got 'start'"),
    "unknown precision": ({"precision": "int4"}, "precision: got 'int4'"),
    "negative noise": ({"noise_std": -1}, "noise_std: got -1"),
    "no paths": ({"paths": 0}, "paths: got 0"),
    "an option of another strategy": ({"block_size": 8}, "block_size: got 8, but the strategy"),
    "an option of another allocation": ({"floor": 0.5}, "floor: got 0.5, but the strategy"),
    "explained without a gradient": (
        {"strategy": "LayerMagWeight", "explain": "logit"},
        "explain: got 'logit', but the strategy 'LayerMagWeight' doesn't read it; leave it out",
    ),
    "pattern without a match": ({"prunable": "nothing.*"}, "nothing.*"),
    "pattern that matches the head": ({"prunable": "c*"}, "must not match the head"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_anything_is_written(home: Path, run: Run, name: str) -> None:
    changes, expected = BAD[name]
    status, out, errors = run("prune", *arguments(home, **{"output": home / "refused", **changes}))
    assert status == 2, errors
    *before, error = errors.splitlines()
    assert expected in error
    assert error.startswith("deepcuts: ")
    assert len(before) <= 1  # what is loaded is said before all of it can be checked
    assert all(line.startswith("loading ") for line in before)
    assert not out
    assert not (home / "refused").exists()


DATA = {
    "empty data": ([], "text,target\n", "no rows"),
    "one class on dev": ([{"text": "a", "target": "yes"}, {"text": "b", "target": "yes"}], None, "'yes'"),
    "a label that training lacks": ([{"text": "a", "target": "maybe"}], None, "maybe"),
    "a label that is missing": ([{"text": "a", "target": ""}], None, "missing"),
}


@pytest.mark.parametrize("name", DATA)
def test_bad_data_is_refused_naming_the_file(home: Path, tmp_path: Path, run: Run, name: str) -> None:
    content, raw, expected = DATA[name]
    path = tmp_path / "own.csv"
    path.write_text(raw) if raw else write_csv(path, content)
    status, _, errors = run("prune", *arguments(home, dev=path, output=tmp_path / "run"))
    assert status == 2
    assert "own.csv" in errors
    assert expected in errors


def test_a_model_on_the_hub_with_no_network_and_no_cache_is_refused(
    home: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    status, _, errors = run("prune", *arguments(home, model="nobody/nothing", output=tmp_path / "run"))
    assert status == 2
    assert "offline mode" in errors
    assert "not in the cache" in errors


def test_a_pickled_model_is_never_loaded(home: Path, tmp_path: Path, run: Run) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    torch.save(tiny("bert").state_dict(), folder / "pytorch_model.bin")
    status, _, errors = run("prune", *arguments(home, model=folder, output=tmp_path / "run"))
    assert status == 2
    assert "safetensors" in errors


def test_a_model_file_without_its_encoder_is_refused(home: Path, tmp_path: Path, run: Run) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_model_folder(tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["bert.encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    status, _, errors = run("prune", *arguments(home, model=folder, output=tmp_path / "run"))
    assert status == 2
    assert "bert.encoder.layer.1.output.dense.weight" in errors


def test_a_truncated_model_file_is_refused(home: Path, tmp_path: Path, run: Run) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    status, _, errors = run("prune", *arguments(home, model=folder, output=tmp_path / "run"))
    assert status == 2
    assert "could not be loaded" in errors


def test_dry_run_prints_the_plan_and_writes_nothing(home: Path, tmp_path: Path, run: Run) -> None:
    status, out, _ = run(
        "prune", *arguments(home, output=tmp_path / "run", epochs="3+5", batch_size=8), "--dry-run"
    )
    assert status == 0
    assert not (tmp_path / "run").exists()
    model = tiny("bert", vocab_size=19)
    sizes = {name: parameter.numel() for name, parameter in prunable_parameters(model).items()}
    kept = Budget.from_density(0.3).kept_by_tensor(sizes)
    for name, size in sizes.items():
        row = next(line for line in out.splitlines() if name in line)
        assert row.split() == [name, f"{size:,}", f"{kept[name]:,}"]
    assert "3 epochs, 9 steps" in out
    assert "5 epochs, 15 steps" in out
    assert "2 batches of 16, 2 passes" in out
