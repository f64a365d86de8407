from __future__ import annotations

from pathlib import Path

import pytest
from runs import tiny_model_folder

from deepcuts.common.progress import Reporter
from deepcuts.demo.minimal_pairs import minimal_pairs
from deepcuts.demo.run import ROWS, run_demo
from deepcuts.models import names
from deepcuts.runs.data import DataConfig
from deepcuts.tasks import Split, TaskData, named_tasks


def test_the_demo_prunes_by_each_strategy_from_one_dense_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tiny model and few sentences in the place of the real ones."""
    folder = tiny_model_folder(tmp_path / "tiny")
    splits = [
        Split(tuple((text,) for text, _ in part), tuple(label for _, label in part))
        for part in minimal_pairs(train=48, dev=24)
    ]
    small = TaskData(named_tasks()["minimal-pairs"], splits[0], splits[1], "generated")
    monkeypatch.setattr(names, "_packaged", lambda name: str(folder))
    monkeypatch.setattr(DataConfig, "load", lambda self: small)
    results = run_demo(tmp_path / "runs", seed=0, density=0.3, reporter=Reporter())
    assert list(results) == list(ROWS)
    assert len({str(result["dense"]) for result in results.values()}) == 1
    assert len(list((tmp_path / "runs" / "shared").glob("finetune-*"))) == 1
    for name, result in results.items():
        assert result["strategy"] == ROWS[name].strategy
        assert result["rewind"] == ROWS[name].changes.get("rewind", "finetuned")
        assert result["recipe"] == ROWS[name].changes.get("recipe", "paper")
        assert result["kept"]["weights"] == round(0.3 * result["model"]["prunable"])
        assert (tmp_path / "runs" / name / "model" / "model.safetensors").is_file()
    assert run_demo(tmp_path / "runs", seed=0, density=0.3, reporter=Reporter()) == results
