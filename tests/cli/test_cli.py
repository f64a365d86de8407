"""The command line: every bad input is refused with one clear message and status 2; the rest works."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models import tiny
from runs import config, data_config, tiny_model_folder, write_csv

from deepcuts import Budget, Masks, Scores, Strategy, select
from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.cli import main
from deepcuts.runs.data import data_options

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: status, standard output, standard error."""

    def call(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["deepcuts", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


@pytest.fixture(scope="module")
def finished(home: Path) -> Path:
    """A run folder, made by the command as a person runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "deepcuts", "prune", *map(str, arguments(home)), "--epochs", "1+1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "every cut weight is exactly 0" in done.stdout
    assert "retrain: epoch 1/1" in done.stderr  # plain lines, and no bars, where there is no terminal
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    return home / "run"


def arguments(home: Path, **changes: Any) -> list[Any]:
    """A good command line; None leaves an option out."""
    options = {
        "model": home / "model", "train": home / "train.csv", "dev": home / "dev.csv", "text": "text",
        "label": "target", "density": 0.3, "select-on": "dev", "output": home / "run", **changes,
    }  # fmt: skip
    given = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
    return [part for name, value in given.items() for part in (f"--{name}", value)]


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


def test_an_existing_run_folder_is_refused(home: Path, finished: Path, run: Run) -> None:
    status, _, errors = run("prune", *arguments(home, density=0.5), "--epochs", "1+1")
    assert status == 2
    assert "density: 0.3 there, 0.5 now" in errors
    assert (finished / "result.json").is_file()


def test_the_same_command_again_does_nothing_again(home: Path, finished: Path, run: Run) -> None:
    before = (finished / "result.json").stat().st_mtime_ns
    status, out, errors = run("prune", *arguments(home), "--epochs", "1+1")
    assert status == 0
    assert "finished already" in errors
    assert "Results:" in out
    assert (finished / "result.json").stat().st_mtime_ns == before


def test_evaluate_gives_the_measures_that_the_run_stated(home: Path, finished: Path, run: Run) -> None:
    status, out, _ = run("evaluate", finished, "--json")
    assert status == 0
    result = json.loads((finished / "result.json").read_text())
    found = json.loads(out)
    assert found["model"] == pytest.approx(result["retrained"])
    assert found["baseline"] == result["baseline"]
    status, out, _ = run("evaluate", finished)
    assert status == 0
    assert "baseline" in out


def test_evaluate_takes_every_option_of_data_in_the_place_of_the_runs_own(
    home: Path, finished: Path, tmp_path: Path, run: Run
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("".join((home / "dev.csv").read_text().splitlines(keepends=True)[:5]))
    status, out, _ = run("evaluate", finished, "--dev", other)
    assert status == 0
    assert "4 dev rows" in out
    status, _, errors = run("evaluate", finished, "--data", home)
    assert (status, "data: got" in errors, "known by its name" in errors) == (2, True, True)
    status, _, errors = run("evaluate", finished, "--max-length", 0)
    assert (status, "max_length: got 0, but" in errors) == (2, True)


def test_evaluate_refuses_a_model_without_a_trained_head_or_of_another_task(
    home: Path, finished: Path, tmp_path: Path, run: Run
) -> None:
    from transformers import AutoConfig, BertModel, BertTokenizerFast

    bare = BertModel(AutoConfig.from_pretrained(home / "model"))
    bare.save_pretrained(tmp_path / "bare")
    BertTokenizerFast.from_pretrained(home / "model").save_pretrained(tmp_path / "bare")
    options = [
        "--train",
        home / "train.csv",
        "--dev",
        home / "dev.csv",
        "--text",
        "text",
        "--label",
        "target",
    ]
    status, _, errors = run("evaluate", tmp_path / "bare", *options)
    assert status == 2
    assert "not trained for a task" in errors
    other = data_config(tmp_path, regression=True)
    files = ["--train", other.train, "--dev", other.dev, "--text", "text", "--label", "target"]
    status, _, errors = run("evaluate", finished, *files, "--kind", "regression")
    assert status == 2
    assert "2 outputs" in errors


def test_inspect_shows_densities_and_verifies_them(finished: Path, run: Run) -> None:
    status, out, _ = run("inspect", finished)
    assert status == 0
    masks = Masks.load(finished / "masks.safetensors")
    for name, kept in masks.kept_by_tensor.items():
        row = next(line for line in out.splitlines() if name in line)
        assert row.split()[1:4] == [
            f"{masks[name].numel():,}", f"{kept:,}", f"{kept / masks[name].numel():.4f}"
        ]  # fmt: skip
    assert "layer 0" in out
    assert "every cut weight is exactly 0" in out


def test_inspect_refuses_what_is_no_mask_of_the_model(finished: Path, tmp_path: Path, run: Run) -> None:
    other = tiny("bert", hidden_size=8)
    scores = Scores(
        {name: torch.rand_like(p) for name, p in prunable_parameters(other).items()}, Strategy.parse("Random")
    )
    select(scores, Budget.from_density(0.5)).save(tmp_path / "other.safetensors")
    status, _, errors = run("inspect", tmp_path / "other.safetensors", "--model", finished)
    assert (status, "another model" in errors) == (2, True)
    content = (finished / "masks.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-7])
    status, _, errors = run("inspect", tmp_path / "cut.safetensors")
    assert (status, "truncated" in errors) == (2, True)
    status, _, errors = run("inspect", tmp_path)
    assert (status, "mask file" in errors) == (2, True)
    status, _, errors = run("inspect", tmp_path / "nowhere.safetensors")
    assert (status, "no such file" in errors) == (2, True)


def test_inspect_notices_a_weight_that_came_back(finished: Path, tmp_path: Path, run: Run) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    path = copy / "model" / "model.safetensors"
    tensors = load_file(path)
    name, mask = next(iter(Masks.load(copy / "masks.safetensors").items()))
    tensors[name][~mask] += 1
    save_file(tensors, path, {"format": "pt"})
    status, _, errors = run("inspect", copy)
    assert status == 1
    assert name in errors


def test_strategies_lists_the_axes_with_formulas_costs_and_options(run: Run) -> None:
    from deepcuts.masks import all_allocations
    from deepcuts.scoring import criteria, gradients
    from deepcuts.scoring.strategy import strategy_names

    status, out, _ = run("strategies", "--names")
    assert (status, out.split()) == (0, strategy_names())
    status, out, _ = run("strategies")
    assert status == 0
    assert all(one.name in out and one.scope in out for one in all_allocations())
    assert all(name in out and one.formula in out for name, one in criteria.REGISTRY.items())
    assert all(name in out and one.formula in out for name, one in gradients.REGISTRY.items())
    assert "--block-size" in out
    assert "--floor" in out
    assert f"{len(strategy_names())} names in all" in out
    assert len(out.splitlines()) < 80


@pytest.mark.parametrize(
    "command", ["prune", "evaluate", "inspect", "compare", "export", "predict", "bench", "strategies", "demo"]
)
def test_help_has_an_example(command: str, run: Run) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert "Example" in out


@pytest.mark.parametrize("command", ["prune", "evaluate", "bench"])
def test_commands_that_read_data_take_the_same_options_for_it(command: str, run: Run) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    words = " ".join(out.replace("│", " ").split())
    for option in data_options():
        is_read = (command, option.name) != ("bench", "test")
        assert (f"--{option.name} " in words) == is_read
        assert (option.help in words) == is_read


def test_usage_errors_have_status_2(run: Run) -> None:
    assert run("prune")[0] == 2
    assert run("prone")[0] == 2
    status, out, _ = run("--version")
    assert (status, out.startswith("deepcuts ")) == (0, True)
