"""Bits and numbers as few bytes: gaps between kept weights, planes of bytes, Huffman codes.

Kept weights are nearly independent of each other, and so are the bytes of trained weights: there is hardly
anything to find again, only frequencies to use. So zlib of Python's standard library with Huffman codes alone
comes within about 1 % of the entropy of gaps and of planes, where zstd and LZMA come no closer for all their
searching. (For masks of gradient scores, which follow rows and columns, LZMA takes 2 % less, and longer.)
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

_ESCAPE = 255


def compress(data: Bytes) -> Bytes:
    """Huffman codes of bytes, of any number."""
    coder = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_HUFFMAN_ONLY)
    return np.frombuffer(coder.compress(data.data) + coder.flush(), np.uint8)


def decompress(data: Bytes) -> Bytes:
    """What `compress` was given.

    Raises:
        ValueError: The codes are incomplete or wrong.
    """
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = decoder.decompress(data.tobytes()) + decoder.flush()
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not decoder.eof or decoder.unused_data:
        raise ValueError("a compressed stream does not end where it should")
    return np.frombuffer(found, np.uint8)


def to_gaps(kept: Bools) -> Bytes:
    """How many cut weights lie before each kept one, a byte each; 255 says that 255 and more lie there.

    Args:
        kept: ``(weights,)``. The cut weights after the last kept one are not written.
    """
    gaps = np.diff(np.flatnonzero(kept), prepend=-1) - 1
    escapes = gaps // _ESCAPE
    found = np.full(gaps.size + int(escapes.sum()), _ESCAPE, np.uint8)
    found[np.cumsum(escapes + 1) - 1] = gaps % _ESCAPE
    return found


def from_gaps(gaps: Bytes, weights: int) -> Bools:
    """The kept weights, from what `to_gaps` made of them.

    Raises:
        ValueError: They reach beyond the number of weights, or end within an escape.
    """
    ends = gaps != _ESCAPE
    if gaps.size and not ends[-1]:
        raise ValueError("a mask ends within a gap")
    positions = (np.cumsum(gaps, dtype=np.int64) + np.cumsum(ends, dtype=np.int64))[ends] - 1
    if positions.size and positions[-1] >= weights:
        raise ValueError("a mask is longer than its tensors")
    kept = np.zeros(weights, dtype=np.bool_)
    kept[positions] = True
    return kept


def to_planes(data: Bytes, size: int) -> list[Bytes]:
    """Numbers of `size` bytes → their first bytes, their second bytes, and so on."""
    return [np.ascontiguousarray(plane) for plane in data.reshape(-1, size).T]


def from_planes(planes: list[Bytes]) -> Bytes:
    """What `to_planes` was given.

    Raises:
        ValueError: The planes are of different lengths.
    """
    return np.ascontiguousarray(np.stack(planes, axis=1)).reshape(-1)
