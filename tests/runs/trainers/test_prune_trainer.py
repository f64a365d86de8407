"""A user's own Trainer through the paper's pipeline, and what is refused of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import deepcuts as command
from safetensors.torch import load_file
from trainers import Weighted, answerer, arguments, classifier, magnitudes_of_gradients, masked_words, tagger
from transformers import AutoModelForSequenceClassification, EarlyStoppingCallback, Trainer, TrainerCallback

import deepcuts
from deepcuts.common.errors import RunFolderError
from deepcuts.runs.trainers.batches import TrainerBatches

PAPER: dict[str, Any] = {"strategy": "LayerGradCAMShift", "density": 0.3}


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_trainers_model_is_trained_scored_cut_rewound_and_retrained(tmp_path: Path) -> None:
    trainer = classifier(tmp_path)
    before = state(trainer.model)
    args, callbacks = trainer.args, list(trainer.callback_handler.callbacks)
    result = deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")
    masks = deepcuts.Masks.load(tmp_path / "run" / "masks.safetensors")
    deepcuts.verify_masks(trainer.model, masks)
    assert masks.kept == round(0.3 * masks.total) == result["kept"]["weights"]
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "model")
    assert same(state(saved), state(trainer.model))
    assert not same(before, state(trainer.model))
    assert result["retrained"] == pytest.approx(
        {
            name[5:]: value
            for name, value in trainer.evaluate().items()
            if name in ("eval_loss", "eval_accuracy")
        }
    )
    assert {"dense", "pruned", "retrained"} <= result.keys()
    assert [
        entry["epoch"] for entry in json.loads((tmp_path / "run" / "history.json").read_text())["retrain"]
    ] == [1, 2]
    assert trainer.args is args
    assert trainer.callback_handler.callbacks == callbacks
    assert list((tmp_path / "own").iterdir()) == []  # checkpoints go into the run folder
    assert not (tmp_path / "run" / "work").exists()
    assert not (tmp_path / "run" / "model" / "training_args.bin").exists()


def test_it_is_the_same_as_these_steps_by_hand(tmp_path: Path) -> None:
    """Train, score, cut, rewind, train: with plain Trainers, `score`, `select` and a callback."""
    deepcuts.prune_trainer(trainer := classifier(tmp_path / "a"), **PAPER, output=tmp_path / "run")
    found = state(trainer.model)

    from transformers import set_seed

    by_hand = classifier(tmp_path / "b")
    start = deepcuts.snapshot(by_hand.model)
    set_seed(3)
    by_hand.train()
    batches = list(TrainerBatches(by_hand, 3, None))
    scores = deepcuts.score(by_hand.model, batches, ["LayerGradCAMShift"], seed=3)["LayerGradCAMShift"]
    masks = deepcuts.select(scores, deepcuts.Budget.from_density(0.3))
    deepcuts.rewind(by_hand.model, start)
    again = classifier(tmp_path / "c", model=by_hand.model, callbacks=[deepcuts.MaskCallback(masks)])
    set_seed(3)
    again.train()
    assert same(found, state(again.model))


@pytest.mark.parametrize("kind", [Trainer, Weighted])
def test_scores_are_those_of_the_trainers_own_loss(tmp_path: Path, kind: type[Trainer]) -> None:
    trainer = classifier(tmp_path, kind)
    deepcuts.prune_trainer(
        trainer, strategy="LayerMagGrad", density=0.3, start="finetuned", recipe="none", repair_batches=0,
        output=tmp_path / "run", keep_scores=True,
    )  # fmt: skip
    scores = deepcuts.Scores.load(tmp_path / "run" / "scores.safetensors")
    fresh = classifier(tmp_path / "fresh", kind)
    expected = magnitudes_of_gradients(fresh, list(TrainerBatches(fresh, 3, None)))
    assert scores.keys() == expected.keys()
    for name, value in scores.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("make", [tagger, answerer, masked_words])
def test_other_heads_go_through_as_well(tmp_path: Path, make: Callable[[Path], Trainer]) -> None:
    trainer = make(tmp_path)
    result = deepcuts.prune_trainer(
        trainer, **PAPER, output=tmp_path / "run", finetune_epochs=1, retrain_epochs=1
    )
    masks = deepcuts.Masks.load(tmp_path / "run" / "masks.safetensors")
    saved = type(trainer.model).from_pretrained(tmp_path / "run" / "model")  # type: ignore[union-attr]
    deepcuts.verify_masks(saved, masks)
    assert result["retrained"]["loss"] > 0


def test_the_batches_are_the_same_each_time_and_leave_the_generators_alone(tmp_path: Path) -> None:
    trainer = masked_words(tmp_path)
    batches = TrainerBatches(trainer, 0, 3)
    before = torch.random.get_rng_state()
    first = list(batches)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)
    second = list(batches)
    assert len(batches) == len(first) == 3
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    other = next(iter(TrainerBatches(trainer, 1, 1)))
    assert other["input_ids"].shape != first[0]["input_ids"].shape or not torch.equal(
        other["input_ids"], first[0]["input_ids"]
    )


class Stop(TrainerCallback):
    """Ends a training in the middle, as a kill does."""

    def __init__(self, at: int) -> None:
        self.seen: list[None] = []  # what a callback counts itself begins anew with each training
        self.at = at

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(None)
        if len(self.seen) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [8, 20])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path, at: int) -> None:
    """Eight steps: in the second epoch of the first training; twenty: in that of the second."""
    whole = classifier(tmp_path / "a")
    deepcuts.prune_trainer(whole, **PAPER, output=tmp_path / "whole")
    stopped = classifier(tmp_path / "b", callbacks=[Stop(at)])
    with pytest.raises(KeyboardInterrupt):
        deepcuts.prune_trainer(stopped, **PAPER, output=tmp_path / "run")
    going_on = classifier(tmp_path / "b")
    deepcuts.prune_trainer(going_on, **PAPER, output=tmp_path / "run")
    assert same(state(whole.model), state(going_on.model))


def test_a_finished_run_is_not_done_again_and_one_of_other_rows_is_refused(tmp_path: Path) -> None:
    first = deepcuts.prune_trainer(classifier(tmp_path), **PAPER, output=tmp_path / "run")
    trainer = classifier(tmp_path)
    before = state(trainer.model)
    assert deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run") == first
    assert same(state(trainer.model), before)
    changed = classifier(tmp_path)
    with torch.no_grad():
        changed.model.classifier.bias.add_(1)
    for dry_run in (False, True):
        with pytest.raises(RunFolderError, match="weights of the model changed"):
            deepcuts.prune_trainer(changed, **PAPER, output=tmp_path / "run", dry_run=dry_run)
    rows = copy.deepcopy(trainer.train_dataset)
    rows[3]["labels"] = 1 - rows[3]["labels"]
    with pytest.raises(RunFolderError, match=r"another configuration .train_dataset: "):
        deepcuts.prune_trainer(classifier(tmp_path, train_dataset=rows), **PAPER, output=tmp_path / "run")
    other = classifier(tmp_path, args=arguments(tmp_path, learning_rate=1e-3))
    with pytest.raises(RunFolderError, match="learning_rate"):
        deepcuts.prune_trainer(other, **PAPER, output=tmp_path / "run")


def test_a_finetuned_model_is_scored_as_it_is_and_goes_on_from_its_own_values_or_pretrained_ones(
    tmp_path: Path,
) -> None:
    trainer = classifier(tmp_path)
    pretrained = copy.deepcopy(trainer.model)
    trainer.train()
    trained = state(trainer.model)
    result = deepcuts.prune_trainer(
        trainer, **PAPER, start="finetuned", retrain_epochs=0, output=tmp_path / "own_values"
    )
    masks = deepcuts.Masks.load(tmp_path / "own_values" / "masks.safetensors")
    for name, value in state(trainer.model).items():
        assert torch.equal(value, trained[name] * masks[name] if name in masks else trained[name])
    assert result["rewind"] == "finetuned"
    trainer.model.load_state_dict(trained)
    again = classifier(tmp_path, model=trainer.model)
    result = deepcuts.prune_trainer(
        again,
        **PAPER,
        start="finetuned",
        pretrained=pretrained.bert,
        retrain_epochs=0,
        output=tmp_path / "theta0",
    )
    masks = deepcuts.Masks.load(tmp_path / "theta0" / "masks.safetensors")
    first = state(pretrained)
    for name, value in state(again.model).items():
        expected = trained[name] if name.startswith("classifier") else first[name]
        assert torch.equal(value, expected * masks[name] if name in masks else expected)
    assert any("keep their fine-tuned values" in note for note in result["notes"])


def test_a_model_init_and_early_stopping_do_not_undo_the_cut(tmp_path: Path) -> None:
    model = classifier(tmp_path).model
    args = arguments(
        tmp_path, num_train_epochs=4, save_strategy="epoch", load_best_model_at_end=True,
        metric_for_best_model="accuracy",
    )  # fmt: skip
    trainer = classifier(
        tmp_path, model=None, model_init=lambda: copy.deepcopy(model), args=args,
        callbacks=[EarlyStoppingCallback(1)],
    )  # fmt: skip
    result = deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")
    deepcuts.verify_masks(trainer.model, deepcuts.Masks.load(tmp_path / "run" / "masks.safetensors"))
    assert trainer.model_init is not None
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    for name in ("finetune", "retrain"):
        best = max(history[name], key=lambda entry: entry["measures"]["accuracy"])
        assert result["best_epoch"][name] == best["epoch"]
        assert len(history[name]) <= 4


def test_accumulation_and_half_precision_are_the_trainers(tmp_path: Path) -> None:
    args = arguments(tmp_path, gradient_accumulation_steps=2, bf16=True, max_steps=4)
    trainer = classifier(tmp_path, args=args)
    result = deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert history["finetune"][-1]["step"] == history["retrain"][-1]["step"] == 4
    assert result["retraining"]["precision"] == "bf16"
    deepcuts.verify_masks(trainer.model, deepcuts.Masks.load(tmp_path / "run" / "masks.safetensors"))


@pytest.mark.parametrize("recipe", ["rounds", "gradual", "none"])
def test_recipes_are_those_of_prune(tmp_path: Path, recipe: str) -> None:
    changes: dict[str, Any] = {
        "rounds": {"rounds": 2}, "gradual": {"cuts": 2}, "none": {"repair_batches": 3},
    }[recipe]  # fmt: skip
    trainer = classifier(tmp_path)
    deepcuts.prune_trainer(trainer, **PAPER, recipe=recipe, **changes, output=tmp_path / "run")
    masks = deepcuts.Masks.load(tmp_path / "run" / "masks.safetensors")
    assert masks.kept == round(0.3 * masks.total)
    deepcuts.verify_masks(trainer.model, masks)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    trainer = classifier(tmp_path)
    before = state(trainer.model)
    plan = deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run", dry_run=True)
    assert "LayerGradCAMShift keeps" in plan["what"]
    assert {"fine-tune", "score", "retrain"} <= plan.keys()
    assert not (tmp_path / "run").exists()
    assert same(before, state(trainer.model))


def test_what_is_written_is_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = classifier(tmp_path)
    deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")
    written = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert same({name: written[name] for name in state(trainer.model) if name in written}, {
        name: value for name, value in state(trainer.model).items() if name in written
    })  # fmt: skip


def test_commands_say_what_they_can_not_know_of_such_a_run(tmp_path: Path) -> None:
    """Which rows there are to measure on, and how long they may be, is the Trainer's to know."""
    deepcuts.prune_trainer(classifier(tmp_path), **PAPER, output=tmp_path / "run")
    run = tmp_path / "run"
    assert command("inspect", run).returncode == 0
    assert command("export", run, "--format", "sparse", "--output", tmp_path / "sparse").returncode == 0
    said = command("predict", run, "the dog is here")
    assert said.returncode == 0
    assert json.loads(said.stdout)["label"] in ("LABEL_0", "LABEL_1")
    evaluated = command("evaluate", run)
    assert evaluated.returncode == 2
    assert "name a task" in evaluated.stderr
    reported = command("report", tmp_path, "--output", tmp_path / "report")
    assert "a run by a Trainer" in reported.stdout + reported.stderr
    assert "Traceback" not in reported.stderr
