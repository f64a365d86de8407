"""A recipe that a plugin brings: by its name, interrupted and gone on with, and in a grid."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from grids import run_inline, worklist_of, write_grid_file
from runs import config, job, without_times

from deepcuts import Budget, Masks, apply_masks, rewind, score
from deepcuts.cli import main
from deepcuts.common import plugins, tensor_file
from deepcuts.masks.rewinding import Snapshot
from deepcuts.runs.recipes import registry
from deepcuts.runs.steps import cut

PLUGIN = Path(__file__).with_name("two_rounds.py")
DENSITY = 0.3
Command = Callable[..., int]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the plugin after each test."""
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setenv(plugins.VARIABLE, "")


@pytest.fixture
def prune(home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``deepcuts --plugin two_rounds.py prune --recipe two-rounds`` in this process."""

    def call(output: Path, *more: Any) -> int:
        arguments = [
            "deepcuts", "--plugin", PLUGIN, "prune", "--model", home / "model", "--train", home / "train.csv",
            "--dev", home / "dev.csv", "--text", "text", "--label", "target", "--strategy", "LayerMagGrad",
            "--density", DENSITY, "--select-on", "dev", "--epochs", "1+1",
            "--batch-size", 8, "--learning-rate", 0.01,
            "--score-batch-size", 4, "--recipe", "two-rounds", "-o", output, *more,
        ]  # fmt: skip
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return call


def expected(home: Path, shared: Path) -> dict[str, torch.Tensor]:
    """The masks of two rounds, from the dense model in a store, by a plain loop over tensors."""
    made = job(home, strategy="LayerMagGrad")
    (path,) = shared.glob("finetune-*/state.safetensors")
    rewind(made.model, Snapshot(tensor_file.load(path, "state")[0]))
    masks: dict[str, torch.Tensor] = {}
    for density in (round(DENSITY**0.5, 6), DENSITY):
        found = score(made.model, made.batches(4, 1000), ["LayerMagGrad"])["LayerMagGrad"]
        sizes = {name: value.numel() for name, value in found.items()}
        kept = Budget.from_density(density).kept_by_tensor(sizes)
        for name, value in found.items():
            before = masks.get(name, torch.ones_like(value, dtype=torch.bool)).flatten().tolist()
            ranks = [
                (not was, -one, i)
                for i, (was, one) in enumerate(zip(before, value.flatten().tolist(), strict=True))
            ]
            ranked = [i for _, _, i in sorted(ranks)]
            mask = torch.zeros(sizes[name], dtype=torch.bool)
            mask[ranked[: kept[name]]] = True
            masks[name] = mask.view_as(value)
        apply_masks(made.model, Masks(masks))
    return masks


def test_it_runs_by_its_name_and_is_done_as_it_says(home: Path, tmp_path: Path, prune: Command) -> None:
    assert prune(tmp_path / "run", "--shared", tmp_path / "shared") == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    found = Masks.load(tmp_path / "run" / "masks.safetensors")
    assert result["recipe"] == "two-rounds"
    assert result["kept"]["weights"] == round(DENSITY * found.total)
    assert result["scoring"]["passes"] == 2 * 6
    wanted = expected(home, tmp_path / "shared")
    assert all(torch.equal(found[name], mask) for name, mask in wanted.items())
    # Only the dense model and the scores of the first round are for others.
    kinds = sorted(path.name.partition("-")[0] for path in (tmp_path / "shared").glob("[!.]*"))
    assert kinds == ["finetune", "score"]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recipe"] == "two-rounds"


def test_it_is_found_in_help_and_seen_before_it_is_run(
    tmp_path: Path, prune: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prune(tmp_path / "run", "--dry-run") == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if " passes" in line] == ["score", "score"]
    assert not (tmp_path / "run").exists()
    assert prune(tmp_path / "run", "--help") == 0
    assert "two-rounds" in capsys.readouterr().out


def test_interrupted_in_the_second_round_it_goes_on_there(
    tmp_path: Path, prune: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prune(tmp_path / "whole") == 0
    original, calls = cut.select, 0

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(cut, "select", interrupted)
    assert prune(tmp_path / "run") == 130
    monkeypatch.setattr(cut, "select", original)
    capsys.readouterr()
    assert prune(tmp_path / "run") == 0
    said = capsys.readouterr().err
    assert said.count("score: MagGrad reused") == 2
    assert "fine-tune: reused" in said
    whole, found = (
        without_times(json.loads((tmp_path / name / "result.json").read_text())) for name in ("whole", "run")
    )
    assert found == whole


def test_in_a_grid_it_shares_what_other_recipes_have_too(home: Path, tmp_path: Path) -> None:
    plugins.add([str(PLUGIN)])
    (tmp_path / "own").mkdir()
    grid = {"strategy": "LayerMagGrad", "density": [DENSITY, 0.5], "recipe": ["paper", "two-rounds"]}
    path = write_grid_file(tmp_path / "own", [grid])
    worklist = worklist_of(path, tmp_path / "store")
    assert [unit.kind for unit in worklist.units] == ["finetune", "score", "cell", "cell", "cell", "cell"]
    assert worklist.alone["scoring, passes over a batch"] == 6 * (1 + 2) * 2
    assert worklist.shared["scoring, passes over a batch"] == 6 + 6 * 2
    assert not run_inline(path, tmp_path / "store").failed
    assert not worklist_of(path, tmp_path / "store").units
    masks = {
        (one.recipe, one.density): Masks.load(tmp_path / "store" / f"cell-{key}" / "masks.safetensors")
        for key, one in worklist.cells.items()
    }
    for density in (DENSITY, 0.5):
        assert masks["paper", density].kept == masks["two-rounds", density].kept
    wanted = expected(home, tmp_path / "store")
    found = masks["two-rounds", DENSITY]
    assert all(torch.equal(found[name], mask) for name, mask in wanted.items())
