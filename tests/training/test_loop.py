"""A step is its rows: how batches, accumulation, processes and devices divide them changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from launches import launch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor
from training.watched import PLAN, undropped, watched

from deepcuts.common.progress import Reporter
from deepcuts.runs.job import Job
from deepcuts.training import Training, arguments, train
from deepcuts.training.arguments import training_arguments

Found = tuple[Training, list[float], dict[str, Tensor]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return undropped(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def whole(made: Job, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The reference: every step is one batch, whose mean is PyTorch's own."""
    return watched(made, PLAN, tmp_path_factory.mktemp("whole"))


def assert_alike(losses: list[float], norms: list[float], weights: dict[str, Tensor], whole: Found) -> None:
    assert norms == pytest.approx(whole[1], rel=1e-4)
    assert losses == pytest.approx([entry["loss"] for entry in whole[0].epochs], rel=1e-5)
    for name, value in whole[2].items():
        # The gradient of keys' biases is 0 but for rounding, which Adam makes as large as any gradient.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(("rows", "accumulation"), [(4, 2), (2, 4), (1, 8), (3, 3)])
def test_accumulated_batches_are_one_batch(
    made: Job, whole: Found, tmp_path: Path, rows: int, accumulation: int
) -> None:
    plan = replace(PLAN, batch_size=rows, accumulation=accumulation)
    if rows * accumulation != PLAN.batch_size:
        whole = watched(made, replace(PLAN, batch_size=rows * accumulation), tmp_path / "whole")
    found, norms, weights = watched(made, plan, tmp_path / "parts")
    assert_alike([entry["loss"] for entry in found.epochs], norms, weights, whole)


def test_a_gradient_is_clipped_at_the_same_norm(made: Job, tmp_path: Path) -> None:
    plan = replace(PLAN, clip=0.05, learning_rate=1e-3)
    whole = watched(made, plan, tmp_path / "whole")
    assert whole[1] == pytest.approx([0.05] * len(whole[1]), rel=1e-3)
    found, norms, weights = watched(made, replace(plan, batch_size=2, accumulation=4), tmp_path / "parts")
    assert_alike([entry["loss"] for entry in found.epochs], norms, weights, whole)


DIVISIONS = [{"batch_size": 4}, {"batch_size": 2, "accumulation": 2}]

PROGRAM = """
import json, os, sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
import torch, torch.distributed as dist
from rich.console import Console
from safetensors.torch import save_file
from training.watched import PLAN, undropped, watched
torch.set_num_threads(1)
folder, divisions = Path(sys.argv[1]), json.loads(sys.argv[2])
made = undropped(folder / os.environ["RANK"])  # written alike, but not over each other
for number, changes in enumerate(divisions):
    found, norms, weights = watched(made, replace(PLAN, **changes), folder / str(number))
    place = f"{number}-{dist.get_rank()}"
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / f"{place}.safetensors")
    losses = [entry["loss"] for entry in found.epochs]
    (folder / f"{place}.json").write_text(json.dumps({"losses": losses, "norms": norms}))
dist.destroy_process_group()
"""


def test_two_processes_train_as_one_does(whole: Found, tmp_path: Path) -> None:
    """Also in the last step, whose three rows Accelerate fills up to eight."""
    (tmp_path / "program.py").write_text(PROGRAM)
    done = launch([str(tmp_path / "program.py"), str(tmp_path), json.dumps(DIVISIONS)])
    assert done.returncode == 0, done.stderr
    for number in range(len(DIVISIONS)):
        for rank in (0, 1):
            facts = json.loads((tmp_path / f"{number}-{rank}.json").read_text())
            weights = load_file(tmp_path / f"{number}-{rank}.safetensors")
            assert_alike(facts["losses"], facts["norms"], weights, whole)


@pytest.mark.parametrize("visible", [1, 2, 8])
def test_one_process_uses_one_device_of_those_that_are_visible(
    made: Job, whole: Found, tmp_path: Path, visible: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Any = arguments.TrainingArguments

    def on_gpus(**given: Any) -> Any:
        """What Transformers makes of its arguments on a machine of so many GPUs."""
        found = original(**given)
        _ = found.device
        found._n_gpu = visible
        return found

    monkeypatch.setattr(arguments, "TrainingArguments", on_gpus)
    assert training_arguments(PLAN, tmp_path, "eval_accuracy", ()).train_batch_size == PLAN.batch_size
    _, norms, weights = watched(made, PLAN, tmp_path)
    assert norms == whole[1]
    assert all(torch.equal(weights[name], value) for name, value in whole[2].items())


def test_the_way_to_more_devices_is_told(made: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    console = Console(file=StringIO())
    train(made.model, made.task, replace(PLAN, epochs=1), tmp_path, reporter=Reporter(console))
    told = console.file.getvalue()
    assert "one of the 2 GPUs" in told
    assert "torchrun --nproc-per-node 2 -m deepcuts" in told
