"""Reading a safetensors file of whatever origin: nothing is made of it before its header fits the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from deepcuts.common.errors import FileFormatError, brief
from deepcuts.common.json_text import parse

#: Types of tensors that are read → bytes of a number.
SIZES = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}
#: Bytes of a header at most: a hundred thousand tensors.
LONGEST_HEADER = 2**24

_METADATA = "__metadata__"
_MOST = 2**63  # sizes and strides are 64-bit numbers wherever they go next


def read(path: str | Path, what: str = "safetensors file") -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file, mapped into memory, and its metadata.

    Args:
        path: The file.
        what: What it should be, for the message.

    Raises:
        FileFormatError: It is missing, truncated, or its header is not one, or not this file's.
    """
    if not Path(path).is_file():
        raise FileFormatError(f"{path}: no such file")
    try:
        metadata = _checked_header(Path(path))
        # The CPU is named, as older versions of Transformers load while new tensors are on "meta".
        with torch.device("cpu"), safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: not a {what}, or truncated ({brief(error)})") from None


def weights_of(shape: Any) -> int:
    """Number of elements of a tensor of this shape, from a file.

    Raises:
        ValueError: It is no shape: no list of whole numbers, or of negative ones, or beyond 64 bits.
    """
    if not isinstance(shape, list) or len(shape) > 64:
        raise ValueError(f"{shape!r:.80} is no shape")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{shape!r:.80} is no shape")
    if math.prod(size for size in shape if size) >= _MOST:
        raise ValueError(f"{shape!r:.80} is larger than any tensor")
    return math.prod(shape)


def _checked_header(path: Path) -> dict[str, str]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, LONGEST_HEADER):
            raise ValueError(f"a header of {length:,} bytes, in a file of {size:,}")
        header = parse(file.read(length).decode())
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are no texts")
    at = 0
    for begin, end in sorted(_place(name, entry) for name, entry in header.items()):
        if begin != at:
            raise ValueError("its tensors do not lie one after the other")
        at = end
    if at != size - 8 - length:
        raise ValueError(f"its tensors take {at:,} bytes, the file has {size - 8 - length:,}")
    return metadata


def _place(name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor begins and ends."""
    if not isinstance(entry, Mapping) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r} is not described as a tensor")
    offsets = entry["data_offsets"]
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in SIZES:
        raise ValueError(f"{name!r} is of type {entry['dtype']!r:.40}, which is not read")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(at) is int for at in offsets):
        raise ValueError(f"{name!r} has no place in the file")
    if offsets[1] - offsets[0] != weights_of(entry["shape"]) * SIZES[entry["dtype"]]:
        raise ValueError(f"{name!r} has another shape than its place in the file")
    return offsets[0], offsets[1]
