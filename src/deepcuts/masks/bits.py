"""Masks as they lie in their file, one bit a weight: read tensor by tensor, compared without unpacking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepcuts.common import tensor_file
from deepcuts.common.errors import FileFormatError

Bits = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class PackedTensor:
    """The mask of one tensor, packed.

    Attributes:
        shape: Shape of the tensor.
        bits: ``(ceil(weights / 8),)``, row by row, the first weight in the highest bit; bits beyond are 0.
    """

    shape: tuple[int, ...]
    bits: Bits = field(repr=False)

    @property
    def weights(self) -> int:
        """Number of weights."""
        return int(np.prod(self.shape, dtype=np.int64))

    @cached_property
    def kept(self) -> int:
        """Number of kept weights."""
        return count_ones(self.bits)

    def unpacked(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """The mask as bools, shaped like the tensor."""
        return np.unpackbits(self.bits, count=self.weights).astype(bool).reshape(self.shape)


@dataclass(frozen=True)
class PackedMasks(Mapping[str, PackedTensor]):
    """Parameter name → packed mask.

    Attributes:
        tensors: The packed masks; those of a file are mapped into memory, not read.
        provenance: What the masks were made from, JSON-able.
    """

    tensors: Mapping[str, PackedTensor] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> PackedTensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def save(self, path: str | Path) -> None:
        """Write them to a safetensors file, atomically: one bit a weight, and a header of a few KiB."""
        layout = [[name, list(packed.shape), packed.kept] for name, packed in self.tensors.items()]
        bits = torch.from_numpy(np.concatenate([packed.bits for packed in self.tensors.values()]))
        header = {"layout": layout, "provenance": dict(self.provenance)}
        tensor_file.save(path, "masks", {"bits": bits}, header)

    @classmethod
    def load(cls, path: str | Path) -> PackedMasks:
        """Read what `save` wrote.

        Raises:
            FileFormatError: The file is missing, truncated, altered, or not a mask file.
        """
        tensors, header = tensor_file.load(path, "masks")
        bits = tensors["bits"].numpy()
        found: dict[str, PackedTensor] = {}
        offset = 0
        for name, shape, kept in header["layout"]:
            end = offset + -(-int(np.prod(shape, dtype=np.int64)) // 8)  # every tensor starts on a byte
            packed = PackedTensor(tuple(shape), bits[offset:end])
            if packed.kept != kept:
                raise FileFormatError(f"{path}: {name!r} keeps {packed.kept} weights, its header says {kept}")
            found[name] = packed
            offset = end
        return cls(found, header["provenance"])


def count_ones(bits: Bits) -> int:
    """Number of bits that are 1."""
    return int(np.bitwise_count(bits).sum(dtype=np.int64))
