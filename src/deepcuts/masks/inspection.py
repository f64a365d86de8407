"""Where the kept weights are."""

from __future__ import annotations

import re

from deepcuts.masks.masks import Masks

_LAYER = re.compile(r"\.(\d+)\.")


def counts_by_layer(masks: Masks) -> dict[str, tuple[int, int]]:
    """Weights and kept weights of each numbered layer, and of what belongs to none by its module's name.

    Args:
        masks: Masks of a model.

    Returns:
        ``"layer 0"`` and so on, or the module's name, such as ``"bert.pooler.dense"`` → (weights, kept),
        in the model's order.
    """
    counts: dict[str, tuple[int, int]] = {}
    for name, kept in masks.kept_by_tensor.items():
        number = _LAYER.search(f".{name}")
        layer = f"layer {number.group(1)}" if number else name.rpartition(".")[0] or name
        weights, before = counts.get(layer, (0, 0))
        counts[layer] = weights + masks[name].numel(), before + kept
    return counts
