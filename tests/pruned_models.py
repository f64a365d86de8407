"""Tiny pruned models with random masks, and run folders that hold one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from models import tiny
from runs import tiny_model_folder
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from deepcuts import Masks, apply_masks, prunable_parameters


def random_masks(model: PreTrainedModel, density: float = 0.3, seed: int = 0) -> Masks:
    """Masks of every prunable parameter; one tensor keeps everything, and one nothing."""
    generator = torch.Generator().manual_seed(seed)
    masks = {
        name: torch.rand(parameter.shape, generator=generator) < density
        for name, parameter in prunable_parameters(model).items()
    }
    full, empty = list(masks)[:2]
    masks[full] = torch.ones_like(masks[full])
    masks[empty] = torch.zeros_like(masks[empty])
    return Masks(masks)


def tiny_pruned(model_type: str = "bert", **overrides: Any) -> tuple[PreTrainedModel, Masks]:
    """A tiny model with random masks on it; one kept weight is 0 and one is −0."""
    model = tiny(model_type, **overrides)
    masks = random_masks(model)
    with torch.no_grad():
        first = next(iter(masks))
        model.get_parameter(first).view(-1)[:2] = torch.tensor([0.0, -0.0])
    apply_masks(model, masks)
    return model, masks


def pruned_run(folder: Path, **overrides: Any) -> Path:
    """A folder as `deepcuts prune` leaves it, as far as an export looks: model, masks, and a result."""
    made = AutoModelForSequenceClassification.from_pretrained(
        tiny_model_folder(folder / "model", **overrides), dtype=torch.float32
    )
    masks = random_masks(made)
    apply_masks(made, masks)
    made.save_pretrained(folder / "model")
    masks.save(folder / "masks.safetensors")
    (folder / "result.json").write_text("{}")
    return folder


def same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts are equal, bit for bit, NaN and −0 included."""
    return first.keys() == second.keys() and all(
        tensor.dtype == second[name].dtype and tensor.numpy().tobytes() == second[name].numpy().tobytes()
        for name, tensor in first.items()
    )
