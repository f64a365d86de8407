"""A kind of task that no file of the package knows, from pruning to the report, by its name alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs import tiny_model_folder

from deepcuts.cli import main

PLUGIN = Path(__file__).parents[2] / "pointing.py"
Deepcuts = Callable[..., str]


@pytest.fixture
def deepcuts(
    no_plugins_after: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Deepcuts:
    """Run a command with the plugin; gives what it prints."""
    monkeypatch.chdir(tmp_path)
    tiny_model_folder(tmp_path / "start")

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["deepcuts", "--plugin", str(PLUGIN), *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        assert not end.value.code, captured.err
        return captured.out

    return call


def test_a_kind_of_task_from_outside_is_pruned_evaluated_predicted_and_reported(
    deepcuts: Deepcuts, tmp_path: Path
) -> None:
    options = {"model": "start", "task": "point-to-not", "strategy": "LayerMagGrad", "density": 0.5}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    rows = [{"text": " ".join(["dog"] * place + ["not", "cat"]), "target": [place]} for place in range(4)]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert "4 test rows" in deepcuts("prune", *arguments, "--test", "test.jsonl", "-o", "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["task"]["kind"] == "pointing"
    assert result["baseline"]["hits"] < 0.5
    assert result["test"]["retrained"]["hits"] > 0.7
    assert result["test"]["baseline"]["hits"] == 0.25
    assert (
        result["retrained"]["hits"] > 0.9
    )  # by the loss of the kind: there is no other that it could learn by
    assert result["retrained"]["distance"] < 0.5

    measured = json.loads(deepcuts("evaluate", "run", "--json"))
    assert measured["model"] == pytest.approx(result["retrained"])
    assert measured["baseline"] == pytest.approx(result["baseline"])
    assert measured["test"]["model"] == pytest.approx(result["test"]["retrained"])

    texts = ["dog not cat cow", "hen cow dog cat hen not", "not dog"]
    said: list[dict[str, Any]] = [
        json.loads(line) for line in deepcuts("predict", "run", *texts).splitlines()
    ]
    assert said == [{"text": text, "word": text.split().index("not")} for text in texts]

    cells = {**options, "finetune_epochs": 1, "retrain_epochs": 1}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({"name": "toy", "grids": [cells]}))
    deepcuts("grid", "grid.yaml", "-o", "store")
    deepcuts("report", "store", "-o", "report", "--replicates", "100")
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "distance, words" in page
    assert "it points to one position in all rows" in page
