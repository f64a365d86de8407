"""Bits and numbers as few bytes: gaps between kept weights, planes of bytes, Huffman codes.

Kept weights are nearly independent of each other, and so are the bytes of trained weights: there is hardly
anything to find again, only frequencies to use. So zlib of Python's standard library with Huffman codes alone
comes within about 1 % of the entropy of gaps and of planes, where zstd and LZMA come no closer for all their
searching. (For masks of gradient scores, which follow rows and columns, LZMA takes 2 % less, and longer.)
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

#: A gap of so many and more takes another byte.
LONGEST_GAP = 255


def compress(data: Bytes) -> Bytes:
    """Huffman codes of bytes, of any number."""
    coder = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_HUFFMAN_ONLY)
    return np.frombuffer(coder.compress(data.data) + coder.flush(), np.uint8)


def decompress(data: Bytes, size: int, *, at_most: bool = False) -> Bytes:
    """What `compress` was given.

    Args:
        data: What it made of it.
        size: How many bytes it was given; no more than this is ever held.
        at_most: Whether it may have been fewer.

    Raises:
        ValueError: The codes are incomplete or wrong, or of another number of bytes.
    """
    # A code has a bit at least, so that so many bytes can't come from fewer.
    size = min(size, 8 * data.size) if at_most else size
    if not 0 <= size <= 8 * data.size:
        raise ValueError(f"{data.size:,} bytes can't hold the codes of {size:,}")
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = decoder.decompress(data.data, max(size, 1))
        more = b"" if decoder.eof else decoder.decompress(decoder.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if more or not (at_most or len(found) == size) or not decoder.eof or decoder.unused_data:
        raise ValueError("a compressed stream does not end where it should")
    return np.frombuffer(found, np.uint8)


def to_gaps(kept: Bools) -> Bytes:
    """How many cut weights lie before each kept one, a byte each; 255 says that 255 and more lie there.

    Args:
        kept: ``(weights,)``. The cut weights after the last kept one are not written.
    """
    gaps = np.diff(np.flatnonzero(kept), prepend=-1) - 1
    escapes = gaps // LONGEST_GAP
    found = np.full(gaps.size + int(escapes.sum()), LONGEST_GAP, np.uint8)
    found[np.cumsum(escapes + 1) - 1] = gaps % LONGEST_GAP
    return found


def from_gaps(gaps: Bytes, sizes: Sequence[int], kept: Sequence[int]) -> list[Bytes]:
    """The masks of tensors, a bit a weight, from what `to_gaps` made of all of them, one after the other.

    Args:
        gaps: The gaps.
        sizes: Number of weights of each tensor.
        kept: Number of kept weights of each; all are checked before any mask is made.

    Raises:
        ValueError: A tensor has another number of kept weights, or the gaps reach beyond the last, or end
            within an escape.
    """
    ends = gaps != LONGEST_GAP
    if gaps.size and not ends[-1]:
        raise ValueError("a mask ends within a gap")
    steps = gaps.astype(np.int64)
    steps += ends
    positions = np.cumsum(steps, out=steps)[ends] - 1
    del steps
    if positions.size and positions[-1] >= sum(sizes):
        raise ValueError("a mask is longer than its tensors")
    starts = [0, *accumulate(sizes)]
    bounds = np.searchsorted(positions, starts)
    if np.diff(bounds).tolist() != list(kept):
        raise ValueError("the masks keep another number of weights than there are values")
    found = []
    for start, size, first, last in zip(starts, sizes, bounds, bounds[1:], strict=False):
        mask = np.zeros(size, dtype=np.bool_)
        mask[positions[first:last] - start] = True
        found.append(np.packbits(mask))
    return found


def to_planes(data: Bytes, size: int) -> list[Bytes]:
    """Numbers of `size` bytes → their first bytes, their second bytes, and so on."""
    return [np.ascontiguousarray(plane) for plane in data.reshape(-1, size).T]


def from_planes(planes: list[Bytes]) -> Bytes:
    """What `to_planes` was given.

    Raises:
        ValueError: The planes are of different lengths.
    """
    return np.ascontiguousarray(np.stack(planes, axis=1)).reshape(-1)
