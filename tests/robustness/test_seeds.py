"""Seeds out of range are refused by name wherever one can be given, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import deepcuts
from runs import config
from torch import nn

from deepcuts import score
from deepcuts.common.errors import InputError
from deepcuts.report import write_report
from deepcuts.tasks import load_task
from deepcuts.tasks.resampling import draw_counts
from deepcuts.training.plan import TrainingPlan

WRONG: list[Any] = [-1, 2**32, 10**30, 0.5, True, "0", None]
PLACES: dict[str, Callable[[Any, Path], object]] = {
    "score": lambda seed, path: score(nn.Linear(2, 2), [], ["Random"], seed=seed, prunable=["weight"]),
    "plan": lambda seed, path: TrainingPlan(1, 1e-3, seed=seed),
    "resamples": lambda seed, path: draw_counts(3, 3, seed),
    "generated task": lambda seed, path: load_task("minimal-pairs", seed=seed),
    "report": lambda seed, path: write_report(path, path / "out", seed=seed),
}


@pytest.mark.parametrize("seed", WRONG)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_in_python(tmp_path: Path, place: Callable[[Any, Path], object], seed: Any) -> None:
    with pytest.raises(InputError, match="seed: got"):
        place(seed, tmp_path)


@pytest.mark.parametrize("seed", [-1, 2**32, 10**30, 0.5, True])
def test_in_a_configuration(tmp_path: Path, seed: Any) -> None:
    with pytest.raises(InputError, match="seed: got"):
        config(tmp_path, seed=seed)


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1e3", "x", "true", "[0, -1]", "{}"])
def test_in_a_grid(tmp_path: Path, seed: str) -> None:
    made = config(tmp_path)
    (tmp_path / "grid.yaml").write_text(
        f"defaults: {{model: {made.model}, density: 0.3, strategy: Random, train: {made.data.train}, "
        f"dev: {made.data.dev}, text: [text], label: target}}\ngrids:\n  - seed: {seed}\n"
    )
    done = deepcuts("grid", tmp_path / "grid.yaml", "--store", tmp_path / "store", "--dry-run")
    assert done.returncode == 2
    assert "seed" in done.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1e3", "", "x"])
@pytest.mark.parametrize("command", ["prune", "report", "demo"])
def test_on_the_command_line(tmp_path: Path, command: str, seed: str) -> None:
    given = {
        "prune": ["--model", "minilm", "--task", "minimal-pairs", "--density", "0.3", "--strategy", "Random"],
        "report": [tmp_path],
        "demo": [],
    }[command]
    done = deepcuts(command, *given, "-o", tmp_path / "out", "--seed", seed)
    assert done.returncode == 2
    assert "seed" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
