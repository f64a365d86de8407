"""Seeds of parts, derived from the one seed of a run."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *parts: str | int) -> int:
    """A 63-bit seed for one part of a run, the same on every machine and in every process.

    Args:
        seed: The run's seed.
        parts: What the new seed is for, such as a tensor's name or a batch's number.
    """
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
