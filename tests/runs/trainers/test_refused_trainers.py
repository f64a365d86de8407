"""Trainers that can't be pruned are refused before any training, and say what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from trainers import classifier
from transformers import Trainer

import deepcuts
from deepcuts.common.errors import InputError

PAPER: dict[str, Any] = {"strategy": "LayerGradCAMShift", "density": 0.3}


def frozen(trainer: Trainer) -> Trainer:
    trainer.model.bert.encoder.requires_grad_(False)  # type: ignore[union-attr]
    return trainer


def on_meta(trainer: Trainer) -> Trainer:
    trainer.model = trainer.model.to("meta")  # type: ignore[union-attr]
    return trainer


def losing(value: Any) -> Callable[[Trainer], Trainer]:
    def changed(trainer: Trainer) -> Trainer:
        trainer.compute_loss = lambda model, inputs, **kwargs: value(model(**inputs).loss)  # type: ignore[method-assign]
        return trainer

    return changed


def with_optimizer(trainer: Trainer) -> Trainer:
    trainer.optimizer = torch.optim.SGD(trainer.model.parameters(), 0.1)  # type: ignore[union-attr]
    return trainer


def without_rows(trainer: Trainer) -> Trainer:
    trainer.train_dataset = None
    return trainer


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda trainer: trainer.model, {}, "it must be a transformers.Trainer"),
        (without_rows, {}, "no train_dataset"),
        (frozen, {}, "is frozen"),
        (on_meta, {}, "meta device"),
        (losing(lambda loss: loss.expand(3)), {}, "must give a scalar"),
        (losing(float), {}, "must give a scalar"),
        (losing(lambda loss: loss.detach()), {}, "no gradient"),
        (losing(lambda loss: loss * float("nan")), {}, "must be finite"),
        (with_optimizer, {}, "was given an optimizer"),
        (None, {"batch_size": 4}, "batch_size.*the Trainer's arguments have it"),
        (None, {"objective": "distill"}, "objective.*own compute_loss"),
        (None, {"recipe": "distill"}, "recipe.*another objective"),
        (None, {"recipe": "none", "retrain_epochs": 3}, "doesn't read it"),
        (None, {"nonsense": 3}, "there is no such option"),
        (None, {"density": 2}, "density"),
        (None, {"strategy": "LayerMagic"}, "LayerMagic"),
        (None, {"start": "trained"}, "pretrained or finetuned"),
        (None, {"pretrained": "model"}, "start finetuned"),
        (None, {"start": "finetuned", "finetune_epochs": 2}, "finetune_epochs"),
        (None, {"start": "finetuned", "rewind": "pretrained"}, "rewind"),
        (None, {"noise_std": 0.1}, "doesn't read it"),
        (None, {"score_compile": True}, "score_compile"),
    ],
)  # fmt: skip
def test_what_can_not_be_done_is_refused_before_any_training(
    tmp_path: Path, change: Any, options: dict[str, Any], message: str
) -> None:
    trainer = classifier(tmp_path)
    given = trainer if change is None else change(trainer)
    given_options = {**PAPER, **options}
    with pytest.raises(InputError, match=message):
        deepcuts.prune_trainer(given, **given_options, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert trainer.state.global_step == 0


def test_adapters_are_to_be_merged_first(tmp_path: Path) -> None:
    trainer = classifier(tmp_path)
    trainer.model.peft_config = {}  # type: ignore[union-attr]  # as Transformers marks a model with adapters
    with pytest.raises(InputError, match="merge"):
        deepcuts.prune_trainer(trainer, **PAPER, output=tmp_path / "run")
