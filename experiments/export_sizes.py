"""Sizes of the sparse and the packed format for the shapes of BERT-base, for the table in docs/deploy.md.

Weights as `BertConfig` initialises them (normal with deviation 0.02, biases 0, normalisations 1 and 0), with
a random mask; coded by the same functions as `deepcuts export`. Prints one JSON object a line.

    python experiments/export_sizes.py
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from deepcuts.deploy.export.byte_codec import compress, to_gaps, to_planes

HIDDEN, LAYERS, VOCABULARY, POSITIONS = 768, 12, 30522, 512
LINEAR = [(HIDDEN, HIDDEN)] * 4 + [(HIDDEN, 4 * HIDDEN), (4 * HIDDEN, HIDDEN)]  # of a layer: (in, out)
DENSITIES = (0.36, 0.15, 0.086, 0.041)

Numbers = np.ndarray[Any, np.dtype[np.float32]]
generator = np.random.default_rng(0)


def normal(count: int) -> Numbers:
    """Weights as BERT's are initialised."""
    return generator.standard_normal(count, dtype=np.float32) * np.float32(0.02)


def bfloat16(numbers: Numbers) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """The bits of numbers rounded to bfloat16."""
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # to the nearest, ties to even


def packed(numbers: np.ndarray[Any, Any]) -> int:
    """Bytes that numbers take in the packed format."""
    return sum(len(compress(plane)) for plane in to_planes(numbers.view(np.uint8), numbers.itemsize))


def entropy(share: float) -> float:
    """Bits that say whether a weight is kept, on average."""
    return float(sum(-p * np.log2(p) for p in (share, 1 - share) if p > 0))


def main() -> None:
    """Print a line for each density and type."""
    tensors = [size for a, b in LINEAR * LAYERS + [(HIDDEN, HIDDEN)] for size in (a * b, b)]  # weight, bias
    norms = HIDDEN * (2 * LAYERS + 1)
    others = np.concatenate(
        [
            normal(HIDDEN * (VOCABULARY + POSITIONS + 2 + 2)),  # embeddings, and a head of two labels
            np.zeros(norms + 2, np.float32),
            np.ones(norms, np.float32),
        ]
    )
    packed_others = {"float32": packed(others), "bfloat16": packed(bfloat16(others))}
    weights = sum(tensors)
    for density in DENSITIES:
        kept = generator.random(weights, dtype=np.float32) < density
        ends = np.cumsum(tensors)
        counts = [int(part.sum()) for part in np.split(kept, ends[:-1])]
        values = np.concatenate(
            [normal(n) if i % 2 == 0 else np.zeros(n, np.float32) for i, n in enumerate(counts)]
        )
        bits = sum(-(-size // 8) for size in tensors)
        mask = min(len(compress(to_gaps(kept))), len(compress(np.packbits(kept))))
        least = sum(size * entropy(n / size) for size, n in zip(tensors, counts, strict=True)) / 8
        for name, size in (("float32", 4), ("bfloat16", 2)):
            coded = packed(values) if size == 4 else packed(bfloat16(values))
            raw = size * (values.size + others.size)
            row = {
                "density": density,
                "type": name,
                "dense": size * (weights + others.size),
                "sparse": bits + raw,
                "packed": mask + coded + packed_others[name],
                "limit": round(least) + raw,
                "mask": {"sparse": bits, "packed": mask, "limit": round(least)},
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
