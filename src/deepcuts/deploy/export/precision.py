"""The precision of an exported model's weights."""

from __future__ import annotations

from typing import Any

import torch

from deepcuts.common.errors import InputError

#: What a command line calls the types.
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def dtype_named(name: str) -> torch.dtype:
    """The type of a name in `DTYPES`.

    Raises:
        InputError: There is no such name.
    """
    if name not in DTYPES:
        raise InputError("dtype", name, f"it must be one of {', '.join(DTYPES)}")
    return DTYPES[name]


@torch.no_grad()
def change_precision(model: Any, dtype: torch.dtype) -> int:
    """Convert a model's floating-point weights, in place.

    Args:
        model: The model.
        dtype: One of the values of `DTYPES`.

    Returns:
        How many weights became 0 because they were too small for the type; a mask still keeps them.

    Raises:
        InputError: A weight is too large for the type; nothing was changed.
    """
    vanished = 0
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        converted = tensor.to(dtype)
        overflowed = int((tensor.isfinite() & ~converted.isfinite()).sum())
        if overflowed:
            largest = float(tensor[tensor.isfinite()].abs().max())
            raise InputError(
                "dtype",
                str(dtype).removeprefix("torch."),
                f"{overflowed:,} weights of {name!r} are too large for it (up to {largest:.4g}; it holds "
                f"{torch.finfo(dtype).max:.4g} at most); bf16 and fp32 reach further",
            )
        vanished += int(((tensor != 0) & (converted == 0)).sum())
    model.to(dtype)
    return vanished
