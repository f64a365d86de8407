"""Seeds of parts, derived from the one seed of a run."""

from __future__ import annotations

import hashlib

from deepcuts.common.errors import InputError

#: Seeds are below this: that is what numpy's generators take.
SEEDS = 2**32


def derive_seed(seed: int, *parts: str | int) -> int:
    """A 63-bit seed for one part of a run, the same on every machine and in every process.

    Args:
        seed: The run's seed.
        parts: What the new seed is for, such as a tensor's name or a batch's number.
    """
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def check_seed(seed: int, argument: str = "seed") -> int:
    """The seed, if every generator takes it.

    Raises:
        InputError: It is not a whole number from 0 to below 2**32.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEEDS:
        raise InputError(argument, seed, f"it must be a whole number from 0 to {SEEDS - 1}")
    return seed
