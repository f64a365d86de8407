"""What tests of scoring share: names of strategies, batches that must not be read, scores compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from deepcuts import ScoringOptions

PLAIN = ["LayerMagGrad", "LayerGradCAM", "LayerGradCAMShift", "LayerGradCAMReLU"]


SMOOTH = ["LayerSmoothGrad", "LayerSmoothGradCAM", "LayerSmoothGradCAMShift", "LayerSmoothGradCAMReLU"]


WITHOUT_DATA = ["LayerMagWeight", "Random"]


EVERY = [*WITHOUT_DATA, *PLAIN, *SMOOTH]


QUICK = ScoringOptions(paths=2)


NOT_READ: Any = None  # in place of batches that must not be read


Batches = list[dict[str, Tensor]]


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two sets of scores are equal bit for bit."""
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


def close(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two sets of scores differ by rounding at most."""
    largest = max(value.abs().max().item() for value in first.values())
    return all(torch.allclose(first[name], second[name], rtol=1e-4, atol=1e-6 * largest) for name in first)


class Counting:
    """An endless iterator over batches that counts how many were taken."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.taken = 0

    def __iter__(self) -> Counting:
        return self

    def __next__(self) -> dict[str, Tensor]:
        self.taken += 1
        assert self.taken < 100, "no end of reading"
        return self.batches[(self.taken - 1) % len(self.batches)]
