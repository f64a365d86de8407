"""Digests of tensors: what a file or a model held, in 64 hexadecimal digits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


def tensors_digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over the names, types, shapes and bytes of tensors, in the order given.

    Args:
        tensors: Pairs of name and tensor, of any type, shape and device.
    """
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name}\x1f{tensor.dtype}\x1f{tuple(tensor.shape)}\x1e".encode())
        digest.update(tensor_bytes(tensor).numpy().data)
    return digest.hexdigest()


def tensor_bytes(tensor: Tensor) -> Tensor:
    """The bytes of a tensor as a flat uint8 tensor on the CPU; equal bytes are what "bit for bit" means."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
