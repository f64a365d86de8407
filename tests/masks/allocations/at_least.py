"""A choice from outside of the package: one threshold over all, but no tensor is left with too little."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from deepcuts import Allocation, Budget, allocation
from deepcuts.common.options import Option
from deepcuts.masks.highest import highest


@allocation
class AtLeast(Allocation):
    """Every tensor keeps its highest `least` weights; the rest of the budget goes by one threshold."""

    name = "AtLeast"
    scope = "at-least"
    summary = "one threshold over all, but so many weights of every tensor"
    source = "a test"
    options = (Option("least", int, 2, "Weights that every tensor keeps.", at_least=0),)

    def choose(
        self, scores: Mapping[str, Tensor], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """Which weights are kept."""
        kept = {name: highest({name: value}, min(options["least"], value.numel()))[name]
                for name, value in scores.items()}  # fmt: skip
        first = {name: value.masked_fill(kept[name], torch.inf) for name, value in scores.items()}
        return highest(first, budget.kept_in_all(sum(value.numel() for value in scores.values())))
