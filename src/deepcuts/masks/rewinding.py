"""Snapshot and rewind: every parameter and buffer copied, restored, and verified bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from deepcuts.common.digests import tensor_bytes, tensors_digest
from deepcuts.common.errors import InvariantError, MismatchError
from deepcuts.common.wrapped import unwrapped


@dataclass(frozen=True)
class Snapshot:
    """A deep copy of a model's parameters and buffers, on the CPU.

    Attributes:
        tensors: Name → copy; buffers that are not saved with the model included.
    """

    tensors: dict[str, Tensor] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of everything in it."""
        return tensors_digest(self.tensors.items())


def snapshot(model: nn.Module) -> Snapshot:
    """Copy every parameter and buffer of the model, never a reference to one."""
    copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in _state(model)}
    return Snapshot(copies)


@torch.no_grad()
def rewind(model: nn.Module, start: Snapshot) -> None:
    """Give the model back the values of a snapshot, and check each one bit for bit.

    Raises:
        MismatchError: The model's names, shapes or types are not the snapshot's; nothing was written then.
        InvariantError: A value is not what the snapshot holds after copying.
    """
    state = dict(_state(model))
    forms = {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}
    if forms != {name: (tensor.shape, tensor.dtype) for name, tensor in start.tensors.items()}:
        raise MismatchError("the snapshot is of another model: names, shapes or types of its tensors differ")
    for name, tensor in state.items():
        tensor.copy_(start.tensors[name])
    for name, tensor in _state(model):
        if not torch.equal(tensor_bytes(tensor), tensor_bytes(start.tensors[name])):
            raise InvariantError(f"{name!r} was not restored bit for bit")


def _state(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from unwrapped(model).named_parameters()
    yield from unwrapped(model).named_buffers()
