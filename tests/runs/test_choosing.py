"""On which rows epochs are chosen: held out from train, or dev, and what a result says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import config, data_config, job

from deepcuts.cli.common import chosen_on
from deepcuts.common import tensor_file
from deepcuts.masks.rewinding import Snapshot, rewind
from deepcuts.runs import run_folder
from deepcuts.runs.pipeline import prune
from deepcuts.training.evaluation import evaluate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any, Path]:
    """A run of noisy epochs, so that the best one is not the last, and its job."""
    home = tmp_path_factory.mktemp("home")
    made = job(home, data_config(home, train=60), select_on="held-out", learning_rate=0.05, finetune_epochs=4)
    return prune(made, home / "run", shared=home / "shared"), made, home


def test_epochs_are_measured_on_the_held_out_rows_and_dev_once(run: Any) -> None:
    result, made, home = run
    held_out = made.task.held_out
    assert len(made.task.train) == 54
    (path,) = (home / "shared").glob("finetune-*/state.safetensors")
    rewind(made.model, Snapshot(tensor_file.load(path, "state")[0]))
    history = json.loads((home / "run" / "history.json").read_text())["finetune"]
    best = result["best_epoch"]["finetune"]
    wanted = evaluate(made.model, made.task, held_out.encoded)
    assert history[best - 1]["measures"] == pytest.approx(wanted, abs=1e-6)
    assert result["dense"] == evaluate(made.model, made.task)


def test_a_result_says_what_epochs_were_chosen_on_and_keeps_the_last_ones_measures(run: Any) -> None:
    result, _, _ = run
    assert (result["task"]["select_on"], result["task"]["held_out_rows"]) == ("held-out", 6)
    assert chosen_on(result) == "Epochs were chosen on 6 rows held out from train; dev was measured once."
    assert result["last_epoch"].keys() == {"finetune", "retrain"}
    for phase, name in {"dense": "finetune", "retrained": "retrain"}.items():
        is_last = result["best_epoch"][name] == len(
            json.loads((run[2] / "run" / "history.json").read_text())[name]
        )
        assert result["last_epoch"][name].keys() == result[phase].keys()
        if is_last:
            assert result["last_epoch"][name] == result[phase]


def test_the_last_epochs_model_is_measured_where_another_was_better(tmp_path: Path, monkeypatch: Any) -> None:
    """Epochs by a made-up measure that falls: the first is the best, and what the last reaches is kept."""
    from deepcuts.training import trainer

    falling = iter([0.9, 0.5, 0.9, 0.5])

    def measured(task: Any) -> Any:
        def measures(found: Any) -> dict[str, float]:
            return {**dict.fromkeys(task.kind.measures, next(falling)), "constant": 0.0}

        return measures

    monkeypatch.setattr(trainer, "measured_by", measured)
    seen: list[torch.Tensor] = []
    original = trainer.predict

    def watched(model: Any, *rest: Any) -> torch.Tensor:
        seen.append(next(model.parameters()).detach().clone())
        return original(model, *rest)

    monkeypatch.setattr(trainer, "predict", watched)
    made = job(tmp_path, data_config(tmp_path, train=60), select_on="held-out")
    result = prune(made, tmp_path / "run")
    assert result["best_epoch"] == {"finetune": 1, "retrain": 1}
    assert len(seen) == 2
    assert not torch.equal(seen[1], next(made.model.parameters()))  # the model itself is the best epoch's


def test_a_run_from_before_it_could_be_set_chose_on_dev(tmp_path: Path) -> None:
    made = job(tmp_path)
    prune(made, tmp_path / "run")
    path = tmp_path / "run" / run_folder.CONFIG
    saved = json.loads(path.read_text())
    del saved["select_on"]
    path.write_text(json.dumps(saved))
    assert run_folder.former_settings(tmp_path / "run") == {"select_on": "dev"}
    assert run_folder.former_settings(tmp_path / "nothing") == {}
    assert made.config.differences(run_folder.saved_config(tmp_path / "run") or {}) == {}
    other = config(tmp_path, select_on="held-out")
    assert other.differences(run_folder.saved_config(tmp_path / "run") or {}) == {
        "select_on": ("dev", "held-out")
    }
