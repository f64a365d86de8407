"""Saving a Trainer's model as the Trainer saves it, and reading it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from deepcuts.common.digests import tensor_bytes
from deepcuts.common.errors import InvariantError
from deepcuts.common.files import write_atomically
from deepcuts.masks.masks import Masks


def save_and_check(trainer: Any, model: nn.Module, folder: Path, masks: Masks) -> None:
    """Save a model by its Trainer, so that its own library loads it; then compare what was written.

    Raises:
        InvariantError: A pruned tensor is not in the files, bit for bit, or has not the masks' zeros.
    """

    def write(temporary: Path) -> None:
        trainer.save_model(str(temporary))
        # A training's arguments are a pickle, which nobody needs to load a model.
        (temporary / "training_args.bin").unlink(missing_ok=True)

    write_atomically(folder, write)
    written = _tensors(folder)
    for name, parameter in masks.parameters_of(model).items():
        # A model inside another, such as a SentenceTransformer's, is saved by the end of its names.
        found = [
            held
            for path, held in written.items()
            if name == path or name.endswith(f".{path}") or path.endswith(f".{name}")
        ]
        if not any(_same(held, parameter) for held in found):
            raise InvariantError(f"{name!r} is not in {str(folder)!r} as it was in the measured model")
        if bool((parameter.detach()[~masks[name].to(parameter.device)] != 0).any()):
            raise InvariantError(f"cut weights of {name!r} are not 0")


def _same(held: torch.Tensor, parameter: torch.Tensor) -> bool:
    return (
        held.dtype == parameter.dtype
        and held.shape == parameter.shape
        and torch.equal(tensor_bytes(held), tensor_bytes(parameter))
    )


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            found |= load_file(path)
        except (OSError, SafetensorError) as error:
            raise InvariantError(f"{path}: can't be read back ({error})") from None
    return found
