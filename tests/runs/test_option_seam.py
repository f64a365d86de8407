"""An option that a criterion of a plugin declares is found wherever an option is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from grids import run_inline, write_grid_file
from runs import config, job

from deepcuts import Masks, Scores
from deepcuts.cli import main
from deepcuts.common import plugins
from deepcuts.report.analysis.option_studies import option_studies
from deepcuts.report.analysis.studies import find_studies
from deepcuts.report.cells import load_cell
from deepcuts.runs.grid.records import read_cells
from deepcuts.runs.steps import Score
from deepcuts.scoring import options
from deepcuts.scoring.criteria import REGISTRY

PLUGIN = Path(__file__).with_name("distance.py")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forgets the plugin after each test."""
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    monkeypatch.setattr(options, "_DECLARED", dict(options._DECLARED))
    monkeypatch.setenv(plugins.VARIABLE, str(PLUGIN))
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``deepcuts prune`` with the plugin's criterion: status, standard output, standard error."""
    config(tmp_path)

    def call(*more: Any, strategy: str = "LayerDistance") -> tuple[int, str, str]:
        arguments = [
            "deepcuts", "prune", "--model", tmp_path / "model", "--train", tmp_path / "train.csv", "--dev",
            tmp_path / "dev.csv", "--text", "text", "--label", "target", "--strategy", strategy, "--density",
            0.3, "--select-on", "dev", "--epochs", "1+1",
            "--batch-size", 8, "--learning-rate", 0.01, "-o", tmp_path / "run", *more,
        ]  # fmt: skip
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


def test_on_the_command_line_and_in_what_a_run_leaves(tmp_path: Path, command: Command) -> None:
    status, out, _ = command("--help")
    assert status == 0
    assert "--centre" in out
    assert "Where weights are thought to be idle." in " ".join(out.split())
    assert "--shift" not in out  # which this strategy does not read
    assert "--centre" not in command("--help", strategy="LayerMagWeight")[1]

    status, out, errors = command("--centre", 0.25, "--dry-run")
    assert status == 0, errors
    assert "centre 0.25" in out
    status, _, errors = command("--centre", -2)
    assert status == 2
    assert "centre: got -2.0, but it must be a finite number, -1 or more" in errors

    status, _, errors = command("--centre", 0.25, "--keep-scores")
    assert status == 0, errors
    assert json.loads((tmp_path / "run" / "config.json").read_text())["centre"] == 0.25
    assert json.loads((tmp_path / "run" / "result.json").read_text())["scoring"]["centre"] == 0.25
    scores = Scores.load(tmp_path / "run" / "scores.safetensors")
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    assert scores.options.centre == 0.25
    assert all(scores[name][mask].min() >= scores[name][~mask].max() for name, mask in masks.items())
    status, _, errors = command("--centre", 0.5)
    assert status == 2
    assert "centre: 0.25 there, 0.5 now" in errors


def test_in_an_identity_only_where_it_is_not_at_its_default(tmp_path: Path) -> None:
    made = {
        centre: job(tmp_path, strategy="LayerDistance", **({} if centre is None else {"centre": centre}))
        for centre in (None, 0.0, 0.5)
    }
    content = {
        centre: next(step for step in one.steps if isinstance(step, Score)).identity(one, "before").content
        for centre, one in made.items()
    }
    assert content[None] == content[0.0] != content[0.5]
    assert "options" not in content[0.0] or content[0.0]["options"] == {}
    assert content[0.5]["options"] == {"centre": 0.5}
    # A run folder of the time before the option was there is gone on with.
    saved = made[None].config.model_dump(mode="json")
    del saved["centre"]
    assert made[None].config.differences(saved) == {}
    assert made[0.5].config.differences(saved) == {"centre": (0.0, 0.5)}


def test_in_a_grid_and_in_the_reports_study_of_it(tmp_path: Path) -> None:
    grid = {"strategy": "LayerDistance", "density": 0.3, "centre": [0, 0.25, 0.5], "seed": 0}
    path = write_grid_file(tmp_path, [grid])
    assert not run_inline(path, tmp_path / "store").failed
    cells = [load_cell(record) for record in read_cells(tmp_path / "store")]
    assert [cell.options for cell in cells] == [{"centre": value} for value in (0.0, 0.25, 0.5)]
    (study,) = find_studies(cells)
    (found,) = option_studies(study)
    assert (found.option, found.title, found.usual) == ("centre", "centre c", 0.0)
    assert list(found.cells) == [0.0, 0.25, 0.5]
    masks = [Masks.load(cells[0].mask_file) for cells in found.cells.values()]
    assert not all(torch.equal(masks[0][name], masks[1][name]) for name in masks[0])
