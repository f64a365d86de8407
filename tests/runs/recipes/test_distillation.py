"""An objective that a plugin brings: retraining learns from the dense model of the same run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import config

from deepcuts.cli import main
from deepcuts.common import plugins, tensor_file
from deepcuts.runs import job as jobs
from deepcuts.training import objectives
from deepcuts.training.evaluation import predict

PLUGIN = Path(__file__).parents[2] / "training" / "objectives" / "soft_targets.py"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forgets the plugin after each test."""
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    before = dict(objectives.OBJECTIVES)
    monkeypatch.setenv(plugins.VARIABLE, "")
    yield
    objectives.OBJECTIVES.clear()
    objectives.OBJECTIVES.update(before)


def test_retraining_learns_from_the_dense_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path)
    said: list[torch.Tensor | None] = []
    original = jobs.train

    def spy(model: Any, task: Any, *args: Any, teacher: Any, **kwargs: Any) -> Any:
        found = original(model, task, *args, teacher=teacher, **kwargs)
        said.append(None if teacher is None else predict(teacher, task))
        return found

    def prune(output: str, *more: Any) -> dict[str, Any]:
        arguments = [
            "deepcuts", "--plugin", PLUGIN, "prune", "--model", tmp_path / "model", "--train",
            tmp_path / "train.csv", "--dev", tmp_path / "dev.csv", "--text", "text", "--label", "target",
            "--strategy", "LayerMagWeight", "--density", 0.3, "--select-on", "dev", "--epochs", "1+1",
            "--batch-size", 8,
            "--learning-rate", 0.01, "-o", tmp_path / output, "--shared", tmp_path / "shared", *more,
        ]  # fmt: skip
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        found: dict[str, Any] = json.loads((tmp_path / output / "result.json").read_text())
        return found

    plain = prune("plain")
    monkeypatch.setattr(jobs, "train", spy)
    found = prune("run", "--objective", "soft-targets", "--temperature", 3, "--share", 0.9)
    predictions, _ = tensor_file.load(tmp_path / "run" / "predictions.safetensors", "predictions")
    assert len(said) == 1  # the dense model is the other run's
    assert said[0] is not None
    assert torch.equal(said[0], predictions["dense"])
    assert found["retraining"]["objective"] == "soft-targets"
    assert found["retraining"]["objective_options"] == {"temperature": 3.0, "share": 0.9}
    assert "objective" not in found["finetuning"]
    before, _ = tensor_file.load(tmp_path / "plain" / "predictions.safetensors", "predictions")
    assert torch.equal(before["pruned"], predictions["pruned"])
    assert not torch.equal(before["retrained"], predictions["retrained"])
    assert found["dense"] == plain["dense"]
