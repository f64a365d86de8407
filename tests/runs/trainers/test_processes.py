"""A Trainer on two processes."""

from __future__ import annotations

from pathlib import Path

import torch
from launches import launch
from trainers import classifier

import deepcuts


def test_two_processes_score_every_batch_once(tmp_path: Path) -> None:
    done = launch([str(Path(__file__).with_name("scored_by_trainer.py")), str(tmp_path / "two")])
    assert done.returncode == 0, done.stderr
    deepcuts.prune_trainer(
        classifier(tmp_path / "one"), strategy="LayerMagGrad", density=0.3, start="finetuned", recipe="none",
        repair_batches=0, keep_scores=True, output=tmp_path / "one" / "run",
    )  # fmt: skip
    one, two = (
        deepcuts.Scores.load(tmp_path / name / "run" / "scores.safetensors") for name in ("one", "two")
    )
    assert one.batches == two.batches == 6
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-7)
