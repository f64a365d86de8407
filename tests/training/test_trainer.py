from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runs import data_config, job

from deepcuts import Budget, score, select
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import rewind
from deepcuts.runs.job import Job
from deepcuts.tasks import measure
from deepcuts.tasks.encoding import ScoringBatches
from deepcuts.training.evaluation import evaluate
from deepcuts.training.plan import Precision, TrainingPlan
from deepcuts.training.trainer import train

PLAN = TrainingPlan(epochs=2, learning_rate=1e-2, batch_size=8)


@pytest.fixture
def made(tmp_path: Path) -> Job:
    return job(tmp_path)


def cut(made: Job, strategy: str = "Random") -> Masks:
    batches = ScoringBatches(made.task, 8, 0, 2)
    return select(score(made.model, batches, [strategy])[strategy], Budget.from_density(0.3))


def changed(plan: TrainingPlan, **changes: Any) -> TrainingPlan:
    return TrainingPlan(**{**plan.__dict__, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weight_decay": 0.5},
        {"accumulation": 2},
        {"precision": "bf16"},
        {"decay": "linear", "warmup": 0.3},
        {"warmup": 0.3},
        {"group_by_length": True},
        {"clip": 0.0},
        {"betas": (0.5, 0.9)},
    ],
    ids=str,
)
def test_the_mask_is_held_at_every_step_however_the_model_is_trained(
    made: Job, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.training import callbacks as training

    masks = cut(made)
    revived: list[int] = []
    parameters = dict(made.model.named_parameters())

    class Watching(training.ProgressCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            revived.append(sum(int(parameters[name][~mask].count_nonzero()) for name, mask in masks.items()))

    monkeypatch.setattr(training, "ProgressCallback", Watching)
    plan = changed(PLAN, **changes)
    before = {name: value.detach().clone() for name, value in parameters.items()}
    found = train(made.model, made.task, plan, tmp_path / "checkpoints", masks=masks)
    assert revived == [0] * plan.steps(len(made.task.train))
    assert len(found.epochs) == 2
    for name, mask in masks.items():
        assert not parameters[name][~mask].any()
    name = next(iter(masks))
    assert not torch.equal(parameters[name][masks[name]], before[name][masks[name]])


def test_the_model_ends_with_the_weights_of_its_best_epoch(made: Job, tmp_path: Path) -> None:
    plan = changed(PLAN, epochs=6, learning_rate=3e-2)
    found = train(made.model, made.task, plan, tmp_path / "checkpoints")
    primary = made.task.data.task.primary
    measures = [entry["measures"][primary] for entry in found.epochs]
    assert found.best_epoch == 1 + int(np.argmax(measures))
    assert evaluate(made.model, made.task)[primary] == pytest.approx(max(measures))


def test_patience_ends_a_training_that_no_longer_gets_better(made: Job, tmp_path: Path) -> None:
    plan = changed(PLAN, epochs=50, learning_rate=1e-9, patience=2)
    found = train(made.model, made.task, plan, tmp_path / "checkpoints")
    assert len(found.epochs) == 3  # the first is the best, then two that are not better
    assert found.best_epoch == 1


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(made: Job, tmp_path: Path) -> None:
    ends = []
    for number, seed in enumerate([0, 0, 1]):
        rewind(made.model, made.start)
        train(made.model, made.task, changed(PLAN, seed=seed), tmp_path / str(number))
        ends.append(made.model.classifier.weight.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


@pytest.mark.parametrize("group_by_length", [False, True])
def test_a_training_that_goes_on_ends_as_one_that_was_not_interrupted(
    made: Job, tmp_path: Path, group_by_length: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.training import callbacks as training

    plan = changed(PLAN, epochs=3, group_by_length=group_by_length)
    whole = train(made.model, made.task, plan, tmp_path / "whole")
    expected = {name: value.detach().clone() for name, value in made.model.named_parameters()}
    rewind(made.model, made.start)

    class Interrupting(training.ProgressCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 5:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "ProgressCallback", Interrupting)
        with pytest.raises(KeyboardInterrupt):
            train(made.model, made.task, plan, tmp_path / "parts")
    rewind(made.model, made.start)
    again = train(made.model, made.task, plan, tmp_path / "parts")
    assert again.epochs == whole.epochs
    for name, value in made.model.named_parameters():
        assert torch.equal(value, expected[name]), name


def test_no_epochs_apply_the_mask_and_train_nothing(made: Job, tmp_path: Path) -> None:
    masks = cut(made)
    before = {name: value.detach().clone() for name, value in made.model.named_parameters()}
    found = train(made.model, made.task, changed(PLAN, epochs=0), tmp_path, masks=masks)
    assert (found.epochs, found.best_epoch) == ([], None)
    for name, value in made.model.named_parameters():
        assert torch.equal(value, before[name] * masks[name] if name in masks else before[name])


@pytest.mark.parametrize("regression", [False, True])
def test_evaluation_measures_every_row_in_its_place(tmp_path: Path, regression: bool) -> None:
    made = job(tmp_path, data_config(tmp_path, dev=45, regression=regression))
    made.model.train()
    found = evaluate(made.model, made.task)
    assert made.model.training
    made.model.eval()
    logits = []
    for row in made.task.dev.rows:  # one by one, in order, without padding
        inputs = {name: torch.tensor([value]) for name, value in row.items() if name != "labels"}
        logits.append(made.model(**inputs).logits[0].detach().numpy())
    expected = measure(made.task.data.task, np.stack(logits), made.task.data.dev.targets)
    assert found == pytest.approx(expected, rel=1e-4)


def test_logs_go_to_a_tracker_that_is_asked_for(made: Job, tmp_path: Path) -> None:
    train(
        made.model,
        made.task,
        PLAN,
        tmp_path / "checkpoints",
        report_to=("tensorboard",),
        logs=tmp_path / "logs",
    )
    assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ


@pytest.mark.parametrize(
    ("rows", "changes", "processes", "steps"),
    [
        (24, {}, 1, 6),
        (25, {}, 1, 8),
        (25, {"accumulation": 3}, 1, 4),
        (24, {}, 2, 4),
        (3, {"accumulation": 9}, 1, 2),
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(
    rows: int, changes: dict[str, Any], processes: int, steps: int
) -> None:
    assert changed(PLAN, **changes).steps(rows, processes) == steps


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_trained_model_computes_as_one_that_was_loaded(
    made: Job, tmp_path: Path, precision: Precision
) -> None:
    """Precision belongs to the training: scores and measures that follow are those of a resumed run."""
    rewind(made.model, made.start)
    train(made.model, made.task, TrainingPlan(1, 1e-2, batch_size=8, precision=precision), tmp_path)
    fresh = type(made.model)(made.model.config)
    fresh.load_state_dict(made.model.state_dict())
    batch = made.task.collate([made.task.dev[index] for index in range(4)])
    with torch.no_grad():
        expected, found = (model.eval()(**batch).logits for model in (fresh, made.model))
    assert torch.equal(found, expected)
    assert made.model.forward.__func__ is type(made.model).forward
