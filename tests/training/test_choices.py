"""The measure by which the best epoch is chosen, and classes that count differently in the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import deepcuts
from runs import config, data_config, job
from sklearn.utils.class_weight import compute_class_weight

from deepcuts.common.errors import InputError
from deepcuts.masks.rewinding import rewind, snapshot
from deepcuts.runs.preparing import prepare
from deepcuts.tasks.kinds.weighting import balanced, weighted_loss
from deepcuts.training import trainer
from deepcuts.training.plan import TrainingPlan
from deepcuts.training.trainer import train


@pytest.mark.parametrize(("measure", "better"), [("mae", min), ("mse", min), ("spearman", max)])
def test_the_best_epoch_is_the_one_of_the_chosen_measure(tmp_path: Path, measure: str, better: Any) -> None:
    made = job(tmp_path, data_config(tmp_path, regression=True))
    plan = TrainingPlan(4, 3e-2, batch_size=4, select_by=measure)
    done = train(made.model, made.task, plan, tmp_path / "checkpoints")
    values = [epoch["measures"][measure] for epoch in done.epochs]
    assert done.best_epoch == done.epochs[values.index(better(values))]["epoch"]
    assert len(set(values)) > 1
    assert made.assess().measures[measure] == pytest.approx(better(values), abs=1e-6)


def test_measures_and_weights_that_a_kind_does_not_have_are_refused_by_a_dry_run(tmp_path: Path) -> None:
    source = data_config(tmp_path, regression=True)
    for given in ({"select_by": "accuracy"}, {"class_weights": "balanced"}):
        made = config(tmp_path, source, **given)
        with pytest.raises(InputError, match=f"{next(iter(given))}: got"):
            prepare(made, source.load())
    files = ["--train", source.train, "--dev", source.dev, "--text", "text", "--label", "target"]
    done = deepcuts("prune", "--select-on", "dev",
        "--model", tmp_path / "model", *files, "--density", 0.5, "-o", tmp_path / "run",
                    "--dry-run", "--select-by", "pearso")  # fmt: skip
    assert done.returncode == 2
    assert "the measures of regression are mse, mae, pearson, spearman" in done.stderr


def test_balanced_weights_are_scikit_learns() -> None:
    targets = [0, 0, 0, 1, 2, 2]
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    assert balanced(3, targets) == pytest.approx(list(expected))
    assert sum(balanced(3, targets)[target] for target in targets) == pytest.approx(len(targets))
    assert balanced(4, targets)[3] == 1.0


def test_the_loss_is_the_mean_over_rows_of_each_rows_own_times_its_weight() -> None:
    logits, labels = torch.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]]), torch.tensor([0, 1, 1])
    weights = torch.tensor([3.0, 0.5])
    rows = [
        -float(weights[label] * row.softmax(0)[label].log())
        for row, label in zip(logits, labels, strict=True)
    ]
    assert float(weighted_loss(logits, labels, weights)) == pytest.approx(sum(rows) / 3)


def test_a_training_minimises_it_however_a_step_is_divided(tmp_path: Path) -> None:
    made = job(tmp_path, data_config(tmp_path, train=13))
    for module in made.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    batch = made.task.collate([made.task.train[index] for index in range(13)])
    weights = torch.tensor(balanced(2, made.task.train.targets))
    assert weights[0] != weights[1]
    with torch.no_grad():
        expected = float(weighted_loss(made.model(**batch).logits, batch["labels"], weights))
    moved = []
    for accumulation in (1, 2):
        rewind(made.model, made.start)
        plan = TrainingPlan(
            1, 1e-3, batch_size=14 // accumulation, accumulation=accumulation, class_weights="balanced"
        )
        done = train(made.model, made.task, plan, tmp_path / f"checkpoints-{accumulation}")
        moved.append(snapshot(made.model).tensors)
        if accumulation == 1:  # of several batches the Trainer logs another mean
            assert done.epochs[0]["loss"] == pytest.approx(expected, abs=1e-4)
    for name, value in moved[0].items():
        if name.endswith("weight"):  # some biases have no gradient but noise, of which Adam takes the sign
            torch.testing.assert_close(value, moved[1][name], atol=1e-4, rtol=0)


def test_the_plan_says_both_and_defaults_change_no_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.runs.steps.train import not_at_default

    assert {"select_by", "class_weights"}.isdisjoint(not_at_default(TrainingPlan(1, 1e-3)))
    made = job(tmp_path, class_weights="balanced", select_by="f1")
    assert any(
        note.startswith("rows count in the loss of training by their class: 'no' ") for note in made.notes
    )
    assert "the best epoch is chosen by f1" in made.notes
    seen = []
    monkeypatch.setattr(trainer, "training_arguments", lambda *args, **kwargs: seen.append(args) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(made.model, made.task, made.config.finetuning(), tmp_path / "checkpoints")
    assert seen[0][2] == "eval_f1"
