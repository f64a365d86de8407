"""Overlap of masks, beside what chance alone would give.

Two masks are compared by four numbers: the weights, how many the first keeps, how many the second, and how
many both. Every measure follows from them, and they can be added over tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from deepcuts.architectures.places import place_of
from deepcuts.common.errors import InputError, MismatchError
from deepcuts.masks.bits import MaskBits, TensorBits, count_ones


@dataclass(frozen=True)
class Counts:
    """Two masks over the same weights.

    Attributes:
        weights: Number of weights.
        first: How many the first mask keeps.
        second: How many the second mask keeps.
        both: How many both keep.
    """

    weights: int
    first: int
    second: int
    both: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.weights + other.weights,
            self.first + other.first,
            self.second + other.second,
            self.both + other.both,
        )

    @property
    def densities(self) -> tuple[float, float]:
        """Share of weights that each keeps."""
        return self.first / self.weights, self.second / self.weights

    @property
    def kept_iou(self) -> float:
        """Intersection over union of the kept weights (DeepCuts, §5.2); 1 where neither keeps any."""
        return _share(self.both, self.first + self.second - self.both)

    @property
    def pruned_iou(self) -> float:
        """Intersection over union of the cut weights; 1 where neither cuts any."""
        union = self.weights - self.both
        return _share(self.weights - self.first - self.second + self.both, union)

    @property
    def kept_chance(self) -> float:
        """`kept_iou` of independent masks, d₁d₂ / (d₁ + d₂ − d₁d₂); d / (2 − d) at equal densities."""
        first, second = self.densities
        return _share(first * second, first + second - first * second)

    @property
    def pruned_chance(self) -> float:
        """`pruned_iou` of independent masks; (1 − d) / (1 + d) at equal densities."""
        first, second = self.densities
        return _share((1 - first) * (1 - second), 1 - first * second)

    @property
    def kappa(self) -> float:
        """Cohen's kappa: 0 for independent masks, 1 for equal ones, below 0 if they avoid each other."""
        first, second = self.densities
        agree = (self.weights - self.first - self.second + 2 * self.both) / self.weights
        expected = first * second + (1 - first) * (1 - second)
        return 1.0 if expected == 1 else (agree - expected) / (1 - expected)


def count_overlap(first: MaskBits, second: MaskBits) -> dict[str, Counts]:
    """Compare two masks tensor by tensor, without unpacking them.

    Args:
        first: Masks.
        second: Masks of the same tensors.

    Returns:
        Parameter name → counts, in the order of `first`.

    Raises:
        MismatchError: Names or shapes differ.
    """
    _check_alike([first, second])
    return {
        name: Counts(mask.weights, mask.kept, second[name].kept, count_ones(mask.bits & second[name].bits))
        for name, mask in first.items()
    }


def count_shared(masks: Sequence[MaskBits]) -> dict[str, tuple[int, int, float]]:
    """How many weights all of several masks keep.

    Args:
        masks: Two or more masks of the same tensors, such as those of several tasks.

    Returns:
        Parameter name → weights, weights kept by all, and how many independent masks of these densities
        would share by chance.

    Raises:
        InputError: There are fewer than two masks.
        MismatchError: Names or shapes differ.
    """
    if len(masks) < 2:
        raise InputError("masks", len(masks), "at least two are compared")
    _check_alike(masks)
    found = {}
    for name, mask in masks[0].items():
        all_kept = reduce(np.bitwise_and, (one[name].bits for one in masks))
        chance = float(np.prod([one[name].kept / mask.weights for one in masks])) * mask.weights
        found[name] = (mask.weights, count_ones(all_kept), chance)
    return found


def grouped(counts: Mapping[str, Counts], group: Callable[[str], str | None]) -> dict[str, Counts]:
    """Add counts by group.

    Args:
        counts: Parameter name → counts.
        group: Gives a parameter's group by its name; None leaves it out.
    """
    found: dict[str, Counts] = {}
    for name, one in counts.items():
        key = group(name)
        if key is not None:
            found[key] = found[key] + one if key in found else one
    return found


def head_overlap(first: MaskBits, second: MaskBits, heads: int) -> dict[str, Counts]:
    """Compare the attention matrices of two masks head by head.

    A head has a block of rows in the matrices of query, key and value, and a block of columns in that of
    the output.

    Args:
        first: Masks.
        second: Masks of the same tensors.
        heads: Number of attention heads of a layer.

    Returns:
        ``"layer 3, attention query, head 5"`` and so on → counts.

    Raises:
        InputError: A matrix can't be divided into so many heads.
        MismatchError: Names or shapes differ.
    """
    _check_alike([first, second])
    found: dict[str, Counts] = {}
    for name, mask in first.items():
        place = place_of(name)
        if place.block != "attention" or place.is_bias or len(mask.shape) != 2:
            continue
        if place.kind == "attention query, key and value":
            continue  # one matrix for the three; which rows are whose differs between architectures
        label = f"layer {place.layer}, {place.kind}" if place.layer is not None else name
        for head, (one, other) in enumerate(
            zip(_blocks(mask, heads, place.kind), _blocks(second[name], heads, place.kind), strict=True)
        ):
            both = int(np.count_nonzero(one & other))
            counts = Counts(one.size, int(np.count_nonzero(one)), int(np.count_nonzero(other)), both)
            key = f"{label}, head {head}"
            found[key] = found[key] + counts if key in found else counts
    return found


def _blocks(mask: TensorBits, heads: int, kind: str) -> list[np.ndarray]:
    axis = 1 if kind == "attention output" else 0
    if heads < 1 or mask.shape[axis] % heads:
        raise InputError("heads", heads, f"it must divide {mask.shape[axis]}, the size of {kind}")
    return np.split(mask.to_bools(), heads, axis=axis)


def _check_alike(masks: Iterable[MaskBits]) -> None:
    shapes = [{name: mask.shape for name, mask in one.items()} for one in masks]
    for other in shapes[1:]:
        if other != shapes[0]:
            odd = sorted(name for name in {*other, *shapes[0]} if other.get(name) != shapes[0].get(name))
            raise MismatchError(f"these masks are for different models: {odd[0]!r} differs or is missing")


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
