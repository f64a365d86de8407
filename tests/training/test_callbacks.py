"""The public callback that holds masks in anybody's Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from trainers import classifier
from transformers import TrainerCallback

import deepcuts
from deepcuts.common.errors import InvariantError, MismatchError


def masks_of(model: Any) -> deepcuts.Masks:
    names = deepcuts.prunable_parameters(model)
    generator = torch.Generator().manual_seed(0)
    return deepcuts.Masks({name: torch.rand(p.shape, generator=generator) < 0.3 for name, p in names.items()})


class Replacing(TrainerCallback):
    """Puts other parameters in the place of the model's in the middle of a training."""

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        values = {name: value.clone() + 1 for name, value in kwargs["model"].state_dict().items()}
        kwargs["model"].load_state_dict(values, assign=True)


class Reviving(TrainerCallback):
    """Writes to cut weights after the last step."""

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        with torch.no_grad():
            kwargs["model"].bert.pooler.dense.weight.fill_(1.0)


def test_cut_weights_are_zero_after_any_training_that_has_it(tmp_path: Path) -> None:
    trainer = classifier(tmp_path)
    masks = masks_of(trainer.model)
    trainer.add_callback(deepcuts.MaskCallback(masks))
    trainer.train()
    deepcuts.verify_masks(trainer.model, masks)


def test_parameters_that_were_replaced_are_masked_too(tmp_path: Path) -> None:
    trainer = classifier(tmp_path)
    masks = masks_of(trainer.model)
    trainer.add_callback(Replacing())
    trainer.add_callback(deepcuts.MaskCallback(masks))
    trainer.train()
    deepcuts.verify_masks(trainer.model, masks)


def test_what_revives_weights_is_an_error(tmp_path: Path) -> None:
    trainer = classifier(tmp_path)
    trainer.add_callback(deepcuts.MaskCallback(masks_of(trainer.model)))
    trainer.add_callback(Reviving())
    with pytest.raises(InvariantError, match=r"pooler\.dense\.weight"):
        trainer.train()


def test_masks_of_another_model_are_refused_before_the_first_step(tmp_path: Path) -> None:
    trainer = classifier(tmp_path)
    trainer.add_callback(
        deepcuts.MaskCallback(deepcuts.Masks({"weight": torch.ones(2, 2, dtype=torch.bool)}))
    )
    with pytest.raises(MismatchError, match="another model"):
        trainer.train()
    assert trainer.state.global_step == 0
    assert isinstance(trainer.model, nn.Module)
