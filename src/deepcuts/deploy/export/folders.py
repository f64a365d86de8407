"""Models as folders that ``save_pretrained`` writes: dense with zeros, and sparse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from deepcuts.common.digests import tensor_bytes
from deepcuts.common.errors import InvariantError
from deepcuts.common.files import write_atomically
from deepcuts.masks.masks import Masks
from deepcuts.models.sparse_checkpoint import read_sparse


def save_dense(model: Any, folder: Path, *, tokenizer: Any = None) -> None:
    """Save a model with its zeros: it loads anywhere, and is as large as the model was.

    Args:
        model: A Hugging Face model.
        folder: Where to; an existing folder is replaced.
        tokenizer: Saved beside it, if given.
    """
    write_atomically(folder, lambda temporary: _write(model, tokenizer, temporary))


def save_sparse(model: Any, masks: Masks, folder: Path, *, tokenizer: Any = None) -> None:
    """Save a model in the sparse format (`deepcuts.models.sparse_checkpoint`), then read it back and compare.

    Args:
        model: A Hugging Face model whose cut weights are 0.
        masks: Masks for some of its parameters.
        folder: Where to; an existing folder is replaced.
        tokenizer: Saved beside it, if given.

    Raises:
        MismatchError: The masks are for another model.
        InvariantError: A cut weight is not 0, or what was read back is not what was saved, bit for bit.
    """
    from deepcuts.models.transformers_plugin import make_plain, make_sparse

    masks.parameters_of(model)
    bits = masks.to_bits()

    def write(temporary: Path) -> None:
        make_sparse(model, bits)
        try:
            _write(model, tokenizer, temporary)
        finally:
            make_plain(model)
        saved = read_sparse(temporary)
        parameters = dict(model.named_parameters())
        for name, pruned in saved.pruned.items():
            if not torch.equal(tensor_bytes(pruned.dense()), tensor_bytes(parameters[name])):
                raise InvariantError(f"{name!r} is not in the file as it is in the model")

    write_atomically(folder, write)


def _write(model: Any, tokenizer: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
