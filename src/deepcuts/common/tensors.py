"""Whether named tensors are the same."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def same_tensors(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two mappings hold equal tensors of equal types under the same names, in the same order.

    The device doesn't count; a tensor with NaN equals none.
    """
    return list(first) == list(second) and all(
        one.dtype == second[name].dtype and torch.equal(one, second[name].to(one.device))
        for name, one in first.items()
    )


def shapes_hash(tensors: Mapping[str, Tensor]) -> int:
    """A hash that is equal for equal mappings; it reads names and shapes alone."""
    return hash(tuple((name, tuple(value.shape)) for name, value in tensors.items()))
