"""A module of a user's own, named with ``--plugin``: every command knows what it adds, and so do workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from runs import tiny_model_folder

from deepcuts.cli import main
from deepcuts.common import plugins

PLUGIN = Path(__file__).parents[1] / "own_choices.py"
Deepcuts = Callable[..., tuple[int, str, str]]


@pytest.fixture
def deepcuts(
    no_plugins_after: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Deepcuts:
    """Run a command: status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["deepcuts", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return call


def test_every_command_knows_what_a_plugin_adds(deepcuts: Deepcuts, tmp_path: Path) -> None:
    assert "LateRows" not in deepcuts("strategies", "--names")[1]
    tiny_model_folder(tmp_path / "start")
    asked = ["--model", "start", "--task", "negated", "--strategy", "LayerLateRows", "--density", "0.5"]
    asked += ["--select-on", "dev"]
    status, _, err = deepcuts("prune", *asked, "-o", "run", "--dry-run")
    assert status == 2
    assert "strategy: got 'LayerLateRows'" in err

    own = ["--plugin", str(PLUGIN)]
    assert "GlobalLateRows" in deepcuts(*own, "strategies", "--names")[1].split()
    status, out, err = deepcuts(*own, "prune", *asked, "-o", "run", "--dry-run")
    assert status == 0, err
    assert "LayerLateRows" in out


def test_worker_processes_know_it_too(deepcuts: Deepcuts, tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "start")
    cells = {"model": "start", "task": "negated", "strategy": "LayerLateRows", "density": [0.5, 0.25]}
    content = {"name": "own", "defaults": {"select_on": "dev"}, "grids": [cells]}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(content))
    status, _, err = deepcuts("--plugin", str(PLUGIN), "grid", "grid.yaml", "-o", "store", "--jobs", "2")
    assert status == 0, err
    results = [json.loads(path.read_text()) for path in (tmp_path / "store").glob("cell-*/result.json")]
    assert sorted(result["kept"]["density"] for result in results) == pytest.approx([0.25, 0.5], abs=0.01)
    assert {result["strategy"] for result in results} == {"LayerLateRows"}


@pytest.mark.parametrize("name", ["no_such_module", "missing.py"])
def test_a_plugin_that_is_not_there_is_named_before_anything_is_done(deepcuts: Deepcuts, name: str) -> None:
    status, out, err = deepcuts("--plugin", name, "strategies")
    assert (status, out) == (2, "")
    assert err.startswith(f"deepcuts: plugin: got '{name}'")


def test_ray_tasks_are_given_the_plugins(no_plugins_after: None) -> None:
    assert plugins.variables() == {}
    plugins.add([str(PLUGIN)])
    assert plugins.variables() == {"DEEPCUTS_PLUGINS": str(PLUGIN)}
