"""The command line on a finished run: evaluate, inspect, strategies, help, usage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from models import tiny
from prune_arguments import Run, arguments
from runs import config, data_config

from deepcuts import Budget, Masks, Scores, Strategy, select
from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.runs.data import data_options


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
