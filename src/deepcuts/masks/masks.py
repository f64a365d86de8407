"""Masks: which weights are kept, as an artifact of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepcuts.common.errors import MismatchError
from deepcuts.common.tensors import same_tensors, shapes_hash
from deepcuts.common.wrapped import unwrapped
from deepcuts.masks.bits import MaskBits, TensorBits


@dataclass(frozen=True, eq=False)
class Masks(Mapping[str, Tensor]):
    """Parameter name → bool tensor, shaped like the parameter, True = kept.

    Two are equal if they keep the same weights, whatever they were made from.

    Attributes:
        tensors: The masks.
        provenance: What they were made from, JSON-able: ``scores`` (`Scores.provenance`) and ``budget``.
    """

    tensors: Mapping[str, Tensor] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, mask in self.tensors.items():
            if mask.dtype is not torch.bool:
                raise MismatchError(f"the mask of {name!r} must be of type bool, not {mask.dtype}")

    def __eq__(self, other: object) -> bool:
        return same_tensors(self, other) if isinstance(other, Masks) else NotImplemented

    def __hash__(self) -> int:
        return shapes_hash(self)

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def kept_by_tensor(self) -> dict[str, int]:
        """Number of kept weights of each tensor."""
        return {name: int(mask.count_nonzero()) for name, mask in self.tensors.items()}

    @property
    def kept(self) -> int:
        """Number of kept weights."""
        return sum(self.kept_by_tensor.values())

    @property
    def total(self) -> int:
        """Number of prunable weights."""
        return sum(mask.numel() for mask in self.tensors.values())

    @property
    def density(self) -> float:
        """Share of weights kept."""
        return self.kept / self.total

    def parameters_of(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """The model's parameters that the masks are for, by name.

        Raises:
            MismatchError: The model lacks one of them, or one has another shape.
        """
        parameters = dict(unwrapped(model).named_parameters())
        missing = [name for name in self.tensors if name not in parameters]
        if missing:
            raise MismatchError(
                f"these masks are for another model: {type(model).__name__} has no parameter "
                f"{missing[0]!r} ({len(missing)} of {len(self)} are missing)"
            )
        for name, mask in self.tensors.items():
            if mask.shape != parameters[name].shape:
                raise MismatchError(
                    f"these masks are for another model: {name!r} has shape "
                    f"{tuple(parameters[name].shape)}, its mask {tuple(mask.shape)}"
                )
        return {name: parameters[name] for name in self.tensors}

    def to_bits(self) -> MaskBits:
        """The same masks, one bit a weight."""
        tensors = {
            name: TensorBits(tuple(mask.shape), np.packbits(mask.cpu().numpy().reshape(-1)))
            for name, mask in self.tensors.items()
        }
        return MaskBits(tensors, self.provenance)

    @classmethod
    def from_bits(cls, bits: MaskBits) -> Masks:
        """The masks that `to_bits` gave."""
        return cls({name: torch.from_numpy(one.to_bools()) for name, one in bits.items()}, bits.provenance)

    def save(self, path: str | Path) -> None:
        """Write them to a safetensors file, atomically: one bit a weight, and a header of a few KiB."""
        self.to_bits().save(path)

    @classmethod
    def load(cls, path: str | Path) -> Masks:
        """Read what `save` wrote.

        Raises:
            FileFormatError: The file is missing, truncated, altered, or not a mask file.
        """
        return cls.from_bits(MaskBits.load(path))
