"""How large an exported model is, part by part, beside the dense file and the entropy limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.deploy.export.packed_file import KIND
from deepcuts.masks.masks import Masks
from deepcuts.models.sparse_checkpoint import read_sparse


@dataclass(frozen=True)
class Sizes:
    """Bytes of a model's parts; None where a format does not tell them apart, or has none.

    Attributes:
        masks: Which weights are kept.
        values: The weights of pruned tensors: the kept ones, or in a dense form all of them.
        others: All other weights.
        rest: Names, config, tokenizer.
        total: Everything.
    """

    masks: int | None
    values: int | None
    others: int | None
    rest: int | None
    total: int


def dense_sizes(model: Any, masks: Masks) -> Sizes:
    """The weights of a model, zeros included, with the types that they have in memory."""
    state = model.state_dict()
    values = sum(_bytes(state[name]) for name in masks)
    others = sum(_bytes(tensor) for name, tensor in state.items() if name not in masks)
    return Sizes(None, values, others, None, values + others)


def least_sizes(model: Any, masks: Masks) -> Sizes:
    """The least that masks of these densities take if they follow no pattern, and the kept weights.

    A mask of n weights of which a share p is kept takes n · H(p) bits, where
    H(p) = −p log₂ p − (1 − p) log₂(1 − p).
    """
    state = model.state_dict()
    bits = sum(
        mask.numel() * entropy(masks.kept_by_tensor[name] / max(mask.numel(), 1))
        for name, mask in masks.items()
    )
    values = sum(kept * state[name].element_size() for name, kept in masks.kept_by_tensor.items())
    others = sum(_bytes(tensor) for name, tensor in state.items() if name not in masks)
    masked = math.ceil(bits / 8)
    return Sizes(masked, values, others, None, masked + values + others)


def entropy(share: float) -> float:
    """Bits that say whether something of this probability happened, on average."""
    return sum(-p * math.log2(p) for p in (share, 1 - share) if p > 0)


def sparse_sizes(folder: Path) -> Sizes:
    """Sizes of a model in the sparse format."""
    found = read_sparse(folder)
    masks = sum(tensor.mask.bits.nbytes for tensor in found.pruned.values())
    values = sum(_bytes(tensor.values) for tensor in found.pruned.values())
    others = sum(_bytes(tensor) for tensor in found.others.values())
    total = bytes_on_disk(folder)
    return Sizes(masks, values, others, total - masks - values - others, total)


def packed_sizes(path: Path) -> Sizes:
    """Sizes of a packed model."""
    streams, _ = tensor_file.load(path, KIND)
    parts = dict.fromkeys(("masks", "values", "others"), 0)
    for name, stream in streams.items():
        part = name.partition(".")[0]
        if part in parts:
            parts[part] += _bytes(stream)
    total = bytes_on_disk(path)
    return Sizes(**parts, rest=total - sum(parts.values()), total=total)


def dense_folder_sizes(folder: Path, model: Any, masks: Masks) -> Sizes:
    """Sizes of a folder with the dense model."""
    weights, total = dense_sizes(model, masks), bytes_on_disk(folder)
    return Sizes(None, weights.values, weights.others, total - weights.total, total)


def other_sizes(path: Path) -> Sizes:
    """Sizes of a format whose parts can't be told apart."""
    return Sizes(None, None, None, None, bytes_on_disk(path))


def bytes_on_disk(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
