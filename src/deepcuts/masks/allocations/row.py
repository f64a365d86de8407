"""The same share of every output row, its bias among it.

Source: Sun et al., "A simple and effective pruning approach for large language models", 2023 (Wanda): what a
unit keeps is chosen among its own inputs, so that none is left with nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepcuts.masks.allocations.registry import Allocation, allocation
from deepcuts.masks.budget import Budget

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Rows that compare their weights with their own alone.

    Attributes:
        names: The tensors that they consist of, in the model's order: a weight and its bias, mostly.
        count: How many rows there are.
        length: Weights of each.
    """

    names: tuple[str, ...]
    count: int
    length: int


@allocation
class Row(Allocation):
    """Every row of a weight, with its element of the bias, keeps its exact share rounded down or up.

    A layer keeps what `Layer` would leave it; where that doesn't divide evenly, the rows that keep one more
    are spread over it evenly. A bias whose weight isn't cut is one row.
    """

    name = "Row"
    scope = "row"
    summary = "the same density in every output row with its bias"
    source = "Sun et al., 2023"

    def choose(
        self, scores: Mapping[str, Tensor], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """The highest of each row; equal ones by position, in the order of the model."""
        import torch  # late: a command's help should not wait for it

        from deepcuts.masks.highest import highest_in_rows

        layers = rows_of({name: value.shape for name, value in scores.items()})
        sizes = {layer.names[0]: layer.count * layer.length for layer in layers}
        kept = budget.kept_by_tensor(sizes)
        found: dict[str, Tensor] = {}
        for layer in layers:
            parts = [scores[name].detach().reshape(layer.count, -1) for name in layer.names]
            share = torch.arange(layer.count + 1) * kept[layer.names[0]] // layer.count
            masks = highest_in_rows(torch.cat(parts, 1), share.diff())
            first = 0
            for name, part in zip(layer.names, parts, strict=True):
                mask = masks.narrow(1, first, part.shape[1])
                found[name] = mask.reshape(scores[name].shape).contiguous()
                first += part.shape[1]
        return {name: found[name] for name in scores}


def rows_of(shapes: Mapping[str, Sequence[int]]) -> list[Rows]:
    """The rows that tensors consist of; ``X.bias`` belongs to ``X.weight`` if their rows match."""
    partners: dict[str, str] = {}
    for name, shape in shapes.items():
        stem, _, last = name.rpartition(".")
        weight = f"{stem}.weight" if stem else "weight"
        rows = shapes.get(weight, ()) if last == "bias" and len(shape) == 1 else ()
        if len(rows) > 1 and rows[0] == shape[0]:
            partners[name] = weight
    joined: dict[str, list[str]] = {}
    for name in shapes:
        joined.setdefault(partners.get(name, name), []).append(name)
    found = []
    for owner, names in joined.items():
        count = shapes[owner][0] if len(shapes[owner]) > 1 else 1
        found.append(
            Rows(tuple(names), count, sum(math.prod(shapes[name]) for name in names) // max(count, 1))
        )
    return found
