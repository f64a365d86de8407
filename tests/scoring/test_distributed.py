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


@pytest.mark.parametrize("dropout", [False, True])
def test_two_processes_score_as_one_does(tmp_path: Path, dropout: bool) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"""
import torch, torch.distributed as dist
from models import tiny, tiny_batches
from deepcuts import ScoringOptions, score
dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank())  # the processes' own generators differ
model = tiny("bert")
found = score(model, tiny_batches(model, count=5), {STRATEGIES!r}, seed=3, distributed=True,
              options=ScoringOptions(paths=3, dropout={dropout}, max_smooth_batches=3))
for name, scores in found.items():
    scores.save(f"{tmp_path}/{{name}}-{{dist.get_rank()}}.safetensors")
dist.destroy_process_group()
""")
    done = launch([str(script)])
    assert done.returncode == 0, done.stderr
    model = tiny("bert")
    options = ScoringOptions(paths=3, dropout=dropout, max_smooth_batches=3)
    alone = score(model, tiny_batches(model, count=5), STRATEGIES, seed=3, options=options)
    for name in STRATEGIES:
        first, second = (Scores.load(tmp_path / f"{name}-{rank}.safetensors") for rank in (0, 1))
        assert (first.batches, first.examples) == (alone[name].batches, alone[name].examples)
        for tensor in alone[name]:
            assert torch.equal(first[tensor], second[tensor])
            torch.testing.assert_close(first[tensor], alone[name][tensor], rtol=1e-5, atol=1e-9)
        together, apart = (select(scores, Budget.from_density(0.3)) for scores in (first, alone[name]))
        assert together.kept == apart.kept
        for tensor, mask in apart.items():
            differs = mask != together[tensor]
            values = alone[name][tensor]
            # Where the masks differ, the scores are ties within rounding at the threshold.
            if differs.any():
                torch.testing.assert_close(
                    values[differs], values[mask].min().expand(int(differs.sum())), rtol=1e-4, atol=1e-9
                )


def test_more_processes_than_batches_is_no_problem(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"""
import torch.distributed as dist
from models import tiny, tiny_batches
from deepcuts import score
dist.init_process_group("gloo")
model = tiny("bert")
found = score(model, tiny_batches(model, count=1), ["LayerMagGrad"], distributed=True)["LayerMagGrad"]
found.save(f"{tmp_path}/{{dist.get_rank()}}.safetensors")
dist.destroy_process_group()
""")
    done = launch([str(script)])
    assert done.returncode == 0, done.stderr
    model = tiny("bert")
    alone = score(model, tiny_batches(model, count=1), ["LayerMagGrad"])["LayerMagGrad"]
    found = Scores.load(tmp_path / "1.safetensors")
    assert found.batches == 1
    assert all(torch.equal(found[name], alone[name]) for name in alone)


def test_sharing_the_work_without_a_group_is_refused() -> None:
    model = tiny("bert")
    with pytest.raises(InputError, match="distributed"):
        score(model, tiny_batches(model), ["LayerMagGrad"], distributed=True)


def test_the_command_runs_on_two_processes_with_the_mask_held(tmp_path: Path) -> None:
    made = config(tmp_path)
    arguments: list[Any] = [
        "-m", "deepcuts", "prune", "--model", made.model, "--train", made.data.train, "--dev", made.data.dev,
        "--text", "text", "--label", "target", "--density", "0.3", "--epochs", "2+2",
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
