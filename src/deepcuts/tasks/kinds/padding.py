"""Arrays of rows that differ in length, as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: What fills up predictions and targets of rows that are shorter than the longest.
PADDING = -100


def join_padded(parts: Sequence[Any]) -> Any:
    """Tensors ``(rows, …)`` one after the other, padded where they differ in size."""
    import torch
    from torch.nn.functional import pad

    sizes = [max(lengths) for lengths in zip(*(part.shape[1:] for part in parts), strict=True)]

    def padded(part: Any) -> Any:
        lacking = [size - has for size, has in zip(sizes, part.shape[1:], strict=True)]
        # From the last dimension to the first: how much is put before, and how much after.
        return pad(part, [amount for after in lacking[::-1] for amount in (0, after)], value=PADDING)

    return torch.cat([padded(part) for part in parts])
