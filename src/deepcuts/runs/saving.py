"""Writing a pruned model, and reading it back to check it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepcuts.common.digests import tensor_bytes
from deepcuts.common.errors import InvariantError
from deepcuts.common.files import write_atomically
from deepcuts.masks.holding import verify_masks
from deepcuts.masks.masks import Masks
from deepcuts.models.loading import load_finetuned


def save_and_check(
    model: Any, tokenizer: Any, folder: Path, masks: Masks, *, trust_remote_code: bool = False
) -> None:
    """Save a model and its tokenizer into a folder; then read the model back and check it.

    Raises:
        InvariantError: What was read back is not, bit for bit, what was saved, or a cut weight is not 0.
    """
    write_atomically(folder, lambda temporary: _write_model(model, tokenizer, temporary))
    saved, _ = load_finetuned(str(folder), trust_remote_code=trust_remote_code)
    verify_masks(saved, masks)
    _check_equal(model, saved)


def _write_model(model: Any, tokenizer: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _check_equal(model: nn.Module, saved: nn.Module) -> None:
    parameters = dict(saved.named_parameters())
    for name, parameter in model.named_parameters():
        if not torch.equal(tensor_bytes(parameter), tensor_bytes(parameters[name])):
            raise InvariantError(f"{name!r} is not in the saved model as it was in the measured one")
