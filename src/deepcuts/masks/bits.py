"""Masks as they lie in their file, one bit a weight: read tensor by tensor, compared without unpacking."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.common.safetensors_file import weights_of

Bits = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, eq=False)
class TensorBits:
    """The mask of one tensor, one bit a weight.

    Attributes:
        shape: Shape of the tensor.
        bits: ``(ceil(weights / 8),)``, row by row, the first weight in the highest bit; bits beyond are 0.
    """

    shape: tuple[int, ...]
    bits: Bits = field(repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorBits):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.bits, other.bits)

    def __hash__(self) -> int:
        return hash(self.shape)

    @property
    def weights(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @cached_property
    def kept(self) -> int:
        """Number of kept weights."""
        return count_ones(self.bits)

    def to_bools(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """The mask as bools, shaped like the tensor."""
        return np.unpackbits(self.bits, count=self.weights).astype(bool).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class MaskBits(Mapping[str, TensorBits]):
    """Parameter name → its mask, one bit a weight.

    Two are equal if they keep the same weights, whatever they were made from.

    Attributes:
        tensors: The masks; those of a file are mapped into memory, not read.
        provenance: What the masks were made from, JSON-able.
    """

    tensors: Mapping[str, TensorBits] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __eq__(self, other: object) -> bool:
        return list(self.items()) == list(other.items()) if isinstance(other, MaskBits) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def __getitem__(self, name: str) -> TensorBits:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def save(self, path: str | Path) -> None:
        """Write them to a safetensors file, atomically: one bit a weight, and a header of a few KiB."""
        layout = [[name, list(mask.shape), mask.kept] for name, mask in self.tensors.items()]
        bits = torch.from_numpy(np.concatenate([mask.bits for mask in self.tensors.values()]))
        header = {"layout": layout, "provenance": dict(self.provenance)}
        tensor_file.save(path, "masks", {"bits": bits}, header)

    @classmethod
    def load(cls, path: str | Path) -> MaskBits:
        """Read what `save` wrote.

        Raises:
            FileFormatError: The file is missing, truncated, altered, or not a mask file.
        """
        tensors, header = tensor_file.load(path, "masks")
        with tensor_file.meaning(path, "masks"):
            return cls(_by_layout(tensors, header["layout"]), dict(header["provenance"]))


def check_bits(mask: TensorBits) -> None:
    """Raise ValueError unless the bits of a mask from a file are as many as its weights."""
    size = -(-mask.weights // 8)
    if mask.bits.dtype != np.uint8 or mask.bits.shape != (size,):
        raise ValueError(
            f"a tensor of shape {mask.shape} needs a mask of {size:,} bytes, got {mask.bits.dtype} of shape "
            f"{mask.bits.shape}"
        )
    if mask.weights % 8 and mask.bits[-1] & (0xFF >> mask.weights % 8):
        raise ValueError(f"a mask of shape {mask.shape} has bits set beyond its last weight")


def _by_layout(tensors: Mapping[str, Tensor], layout: Any) -> dict[str, TensorBits]:
    """The masks of a file, whose every size is checked before anything is made of it."""
    if tensors.keys() != {"bits"} or tensors["bits"].dtype is not torch.uint8 or tensors["bits"].dim() != 1:
        raise ValueError("the bits are no bytes one after the other")
    bits: Bits = tensors["bits"].numpy()
    found: dict[str, TensorBits] = {}
    offset = 0
    for name, shape, kept in layout:
        end = offset + -(-weights_of(shape) // 8)  # every tensor starts on a byte
        mask = TensorBits(tuple(shape), bits[offset:end])
        check_bits(mask)
        if not isinstance(name, str) or name in found:
            raise ValueError(f"{name!r:.80} is no name of a tensor, or stands there twice")
        if mask.kept != kept:
            raise ValueError(f"{name!r} keeps {mask.kept:,} weights, its header says {kept!r:.40}")
        found[name] = mask
        offset = end
    if offset != bits.size:
        raise ValueError(f"the masks take {offset:,} bytes, there are {bits.size:,}")
    return found


def count_ones(bits: Bits) -> int:
    """Number of bits that are 1."""
    return int(np.bitwise_count(bits).sum(dtype=np.int64))
