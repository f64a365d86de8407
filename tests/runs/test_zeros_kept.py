"""Weights that are 0 before a run begins: said, and held if that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pruned_models import random_masks
from runs import config, job, save_over, tiny_model_folder
from transformers import AutoModelForSequenceClassification

from deepcuts import Masks, apply_masks
from deepcuts.common.errors import InputError
from deepcuts.runs.pipeline import prune
from deepcuts.runs.preparing import prepare


def pruned_start(folder: Path, density: float = 0.5) -> Masks:
    """A model in ``folder / "model"`` that was pruned before; the masks that it had."""
    tiny_model_folder(folder / "model")
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    masks = random_masks(model, density)
    full = next(iter(masks))  # one tensor that keeps everything would be none that was cut
    drawn = torch.rand(masks[full].shape, generator=torch.Generator().manual_seed(7))
    masks = Masks({**masks, full: drawn < density})
    apply_masks(model, masks)
    save_over(model, folder / "model")
    return masks


@pytest.mark.parametrize("strategy", ["GlobalGradCAMShift", "InvertedGlobalMagGrad", "Random"])
@pytest.mark.parametrize("rewind", ["pretrained", "finetuned"])
def test_what_was_0_stays_0_through_every_step(tmp_path: Path, strategy: str, rewind: str) -> None:
    before = pruned_start(tmp_path)
    made = job(tmp_path, strategy=strategy, rewind=rewind, scope="global", density=0.2, keep_zeros=True)
    held = made.held
    assert held is not None
    assert f"{held.total - held.kept:,} of the prunable weights are 0 already; they stay so" in made.notes[-1]
    prune(made, tmp_path / "run")
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    for name, mask in masks.items():
        assert not (mask & ~before[name]).any(), name
        assert not made.model.get_parameter(name)[~before[name]].any(), name
    assert masks.kept == made.budget.kept_in_all(masks.total)


def test_without_it_zeros_come_back_and_that_is_said(tmp_path: Path) -> None:
    before = pruned_start(tmp_path)
    made = job(tmp_path, density=0.9)
    assert made.held is None
    assert "may come back in training" in made.notes[-1]
    prune(made, tmp_path / "run")
    masks = Masks.load(tmp_path / "run" / "masks.safetensors")
    assert any((masks[name] & ~before[name]).any() for name in masks)


def test_a_budget_that_keeps_zeros_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    pruned_start(tmp_path)
    with pytest.raises(InputError, match=r"keep_zeros: .* weights would be kept, of which only .* are not 0"):
        job(tmp_path, density=0.9, scope="global", keep_zeros=True)
    with pytest.raises(
        InputError, match=r"weights of bert\..* would be kept, of which only 0 are not 0; .*--scope global"
    ):
        job(tmp_path, density=0.2, keep_zeros=True)  # one tensor has nothing left


def test_at_its_default_it_changes_no_identity_and_else_all(tmp_path: Path) -> None:
    pruned_start(tmp_path)
    plain = config(tmp_path)
    made = prepare(plain, plain.data.load())
    assert "keep_zeros" not in made.origin
    other = made.with_config(config(tmp_path, density=0.2, scope="global", keep_zeros=True))
    assert made.origin != other.origin
    first = next(iter(other.steps)).identity(other, "start")
    assert first is not None
    assert first.former is None
