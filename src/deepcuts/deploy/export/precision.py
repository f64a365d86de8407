"""The precision of an exported model's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option

if TYPE_CHECKING:
    import torch

#: What a command line calls the types → what torch calls them.
DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}

#: For formats that write any of them.
DTYPE = Option(
    "dtype", str, None, "Of the weights: fp32, fp16 or bf16; by default as they are.", choices=tuple(DTYPES)
)
#: For formats that are written in float32 alone.
FLOAT32 = Option("dtype", str, "fp32", "Of the weights; this format is written in fp32.", choices=("fp32",))


def dtype_named(name: str) -> torch.dtype:
    """The type of a name in `DTYPES`.

    Raises:
        InputError: There is no such name.
    """
    import torch

    if name not in DTYPES:
        raise InputError("dtype", name, f"it must be one of {', '.join(DTYPES)}")
    found: torch.dtype = getattr(torch, DTYPES[name])
    return found


def change_precision(model: Any, dtype: torch.dtype) -> int:
    """Convert a model's floating-point weights, in place.

    Args:
        model: The model.
        dtype: What `dtype_named` gives.

    Returns:
        How many weights became 0 because they were too small for the type; a mask still keeps them.

    Raises:
        InputError: A weight is too large for the type; nothing was changed.
    """
    import torch

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
