"""A pruned tensor as its parts: the bits of its mask and the values of its kept weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from deepcuts.common.errors import FileFormatError, InvariantError, MismatchError
from deepcuts.masks.bits import TensorBits, check_bits


@dataclass(frozen=True)
class PrunedTensor:
    """A tensor without its zeros.

    Attributes:
        mask: Which weights are kept, and the tensor's shape.
        values: ``(kept,)``, the kept weights, row by row; one of them may be 0 and is kept nevertheless.
    """

    mask: TensorBits
    values: Tensor = field(repr=False)

    def __post_init__(self) -> None:
        mask = self.mask
        try:
            check_bits(mask)
        except ValueError as error:
            raise FileFormatError(str(error)) from None
        if self.values.shape != (mask.kept,):
            raise FileFormatError(
                f"a mask that keeps {mask.kept:,} weights has values of shape {tuple(self.values.shape)}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.mask.shape

    @classmethod
    def from_dense(cls, dense: Tensor, mask: TensorBits) -> PrunedTensor:
        """Take the kept weights out of a tensor, bit for bit.

        Args:
            dense: The tensor, of any type and on any device.
            mask: Its mask.

        Raises:
            MismatchError: The mask has another shape.
            InvariantError: A weight that the mask cuts is not 0, so that it would be lost.
        """
        if tuple(dense.shape) != mask.shape:
            raise MismatchError(f"a tensor of shape {tuple(dense.shape)} has a mask of shape {mask.shape}")
        flat = dense.detach().cpu().reshape(-1)
        kept = torch.from_numpy(mask.to_bools().reshape(-1))
        revived = int(flat[~kept].count_nonzero())
        if revived:
            raise InvariantError(f"{revived:,} weights that the mask cuts are not 0")
        return cls(mask, flat[kept])

    def dense(self) -> Tensor:
        """The tensor with +0 where weights were cut, of the type and on the device of the values."""
        flat = torch.zeros(self.mask.weights, dtype=self.values.dtype, device=self.values.device)
        flat[torch.from_numpy(self.mask.to_bools().reshape(-1)).to(flat.device)] = self.values
        return flat.reshape(self.shape)
