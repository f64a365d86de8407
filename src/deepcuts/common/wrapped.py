"""The model inside what wraps it: torch.compile, DataParallel, DistributedDataParallel."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)


def unwrapped(model: _Module) -> _Module:
    """The model itself, whose parameters have their plain names.

    Args:
        model: A model, or what `torch.compile`, ``nn.DataParallel`` or `DistributedDataParallel` made of one,
            in any order.
    """
    found: nn.Module = model
    while True:
        if isinstance(found, nn.DataParallel | nn.parallel.DistributedDataParallel):
            found = found.module
        elif isinstance(inner := found._modules.get("_orig_mod"), nn.Module):
            found = inner
        else:
            return cast(_Module, found)
