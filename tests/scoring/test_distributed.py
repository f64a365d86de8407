"""Two processes on gloo: the same scores to rounding, the same masks but for ties, and a held mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from launches import launch
from models import tiny, tiny_batches
from runs import config, job
from safetensors.torch import load_file

from deepcuts import Budget, Masks, Scores, ScoringOptions, score, select
from deepcuts.common.errors import InputError

STRATEGIES = ["LayerGradCAMShift", "LayerSmoothGrad", "GlobalMagGrad", "Random"]


#: What is scored on two processes, by its name: the number of batches and whether dropout is on.
SCORED = {"plain": (5, False), "dropout": (5, True), "fewer batches than processes": (1, False)}
PROGRAM = """
import sys
from pathlib import Path
import torch, torch.distributed as dist
from models import tiny, tiny_batches
from scoring.test_distributed import SCORED, scored
dist.init_process_group("gloo")
for what in SCORED:
    torch.manual_seed(dist.get_rank())  # the processes' own generators differ
    for name, scores in scored(what, distributed=True).items():
        scores.save(Path(sys.argv[1]) / f"{what}-{name}-{dist.get_rank()}.safetensors")
dist.destroy_process_group()
"""


def scored(what: str, *, distributed: bool) -> dict[str, Scores]:
    count, dropout = SCORED[what]
    options = ScoringOptions(paths=3, dropout=dropout, max_smooth_batches=3)
    model = tiny("bert")
    return score(
        model, tiny_batches(model, count=count), STRATEGIES, seed=3, options=options, distributed=distributed
    )


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what two processes found."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "program.py").write_text(PROGRAM)
    done = launch([str(folder / "program.py"), str(folder)])
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("what", SCORED)
def test_two_processes_score_as_one_does(together: Path, what: str) -> None:
    for name, alone in scored(what, distributed=False).items():
        first, second = (Scores.load(together / f"{what}-{name}-{rank}.safetensors") for rank in (0, 1))
        assert (first.batches, first.examples) == (alone.batches, alone.examples)
        for tensor in alone:
            assert torch.equal(first[tensor], second[tensor])
            torch.testing.assert_close(first[tensor], alone[tensor], rtol=1e-5, atol=1e-9)
        shared, apart = (select(scores, Budget.from_density(0.3)) for scores in (first, alone))
        assert shared.kept == apart.kept
        for tensor, mask in apart.items():
            differs = mask != shared[tensor]
            values = alone[tensor]
            # Where the masks differ, the scores are ties within rounding at the threshold.
            if differs.any():
                torch.testing.assert_close(
                    values[differs], values[mask].min().expand(int(differs.sum())), rtol=1e-4, atol=1e-9
                )


def test_sharing_the_work_without_a_group_is_refused() -> None:
    model = tiny("bert")
    with pytest.raises(InputError, match="distributed"):
        score(model, tiny_batches(model), ["LayerMagGrad"], distributed=True)


def test_the_command_runs_on_two_processes_with_the_mask_held(tmp_path: Path) -> None:
    made = config(tmp_path)
    arguments: list[Any] = [
        "-m", "deepcuts", "prune", "--model", made.model, "--train", made.data.train, "--dev", made.data.dev,
        "--text", "text", "--label", "target", "--density", "0.3", "--select-on", "dev", "--epochs", "2+2",
        "--learning-rate", "1e-2", "--batch-size", "4", "--score-batch-size", "4", "-o", tmp_path / "run",
    ]  # fmt: skip
    done = launch([str(argument) for argument in arguments])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Results:") == 1  # one process talks
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    saved = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert masks.kept == result["kept"]["weights"] == round(0.3 * masks.total)
    for name, mask in masks.items():
        assert not saved[name][~mask].any()
    start = job(tmp_path).start.tensors
    assert any(not torch.equal(saved[name], start[name] * masks[name]) for name in masks)  # it was trained
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["processes"] == 2
