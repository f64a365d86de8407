"""Budgets: how much is kept, exactly, before any tensor is touched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import nn


@dataclass(frozen=True)
class Budget:
    """The share of prunable weights to keep.

    Attributes:
        density: Share kept, exactly, in (0, 1].
        asked: How it was asked for, for people, such as ``"compression 3"``.
        scope: How it is divided: ``"tensor"`` (the same share in every tensor), ``"global"``, or that of
            another allocation; None for the strategy's own.
        options: The allocation's own options, name → value; those not given are at their defaults.
    """

    density: Fraction
    asked: str
    scope: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_density(cls, density: float, scope: str | None = None) -> Budget:
        """Keep this share of the prunable weights.

        Raises:
            InputError: `density` is not a number in (0, 1].
        """
        exact = _number("density", density, "it must be a number above 0 and at most 1")
        if not 0 < exact <= 1:
            raise InputError("density", density, "it must be a number above 0 and at most 1")
        return cls(exact, f"density {float(density):g}", scope)

    @classmethod
    def from_sparsity(cls, sparsity: float, scope: str | None = None) -> Budget:
        """Cut this share of the prunable weights.

        Raises:
            InputError: `sparsity` is not a number in [0, 1).
        """
        exact = _number("sparsity", sparsity, "it must be a number from 0 to below 1")
        if not 0 <= exact < 1:
            raise InputError("sparsity", sparsity, "it must be a number from 0 to below 1")
        return cls(1 - exact, f"sparsity {float(sparsity):g}", scope)

    @classmethod
    def from_compression(
        cls,
        model: nn.Module,
        ratio: float,
        scope: str | None = None,
        prunable: Sequence[str] | None = None,
    ) -> Budget:
        """Keep so much that the whole model shrinks by `ratio`: parameters before / parameters left.

        Args:
            model: The model whose parameters are counted.
            ratio: 1 or more; the highest reachable one leaves the protected parameters and one more.
            scope: See the class.
            prunable: Patterns, see `prunable_parameters`.

        Raises:
            InputError: `ratio` is no number of 1 or more, or out of reach; the message names the highest.
        """
        from deepcuts.architectures.parameters import prunable_parameters  # late: it needs torch

        total = sum(parameter.numel() for parameter in model.parameters())
        free = sum(parameter.numel() for parameter in prunable_parameters(model, prunable).values())
        return cls.from_counts(total, free, ratio, scope)

    @classmethod
    def from_counts(cls, total: int, prunable: int, ratio: float, scope: str | None = None) -> Budget:
        """`from_compression` from numbers alone: all parameters and the prunable ones among them."""
        exact = _number("compression", ratio, "it must be a number, 1 or more")
        if exact < 1:
            raise InputError("compression", ratio, "it must be 1 or more")
        protected = total - prunable
        kept = round(total / exact) - protected
        if kept < 1:
            highest = math.floor(Fraction(total, protected + 1) * 100) / 100
            raise InputError(
                "compression",
                ratio,
                f"the highest reachable ratio is {highest:.2f}: {protected:,} of {total:,} parameters are "
                "protected",
            )
        return cls(Fraction(kept, prunable), f"compression {float(ratio):g}", scope)

    def kept_in_all(self, total: int) -> int:
        """How many of `total` weights are kept.

        Raises:
            InputError: Not a single one.
        """
        kept = round(self.density * total)
        if kept < 1:
            raise InputError(
                "density", float(self.density), f"it must keep at least one of {total:,} weights"
            )
        return kept

    def kept_by_tensor(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """How many weights each tensor keeps if all keep the same share.

        Every tensor keeps its exact share rounded down or up, and together they keep exactly what
        `kept_in_all` says: the largest remainders are rounded up, ties by position.

        Args:
            sizes: Tensor name → number of weights.
        """
        shares = {name: self.density * size for name, size in sizes.items()}
        kept = {name: math.floor(share) for name, share in shares.items()}
        left = self.kept_in_all(sum(sizes.values())) - sum(kept.values())
        by_remainder = sorted(sizes, key=lambda name: kept[name] - shares[name])
        for name in by_remainder[:left]:
            kept[name] += 1
        return kept


def _number(argument: str, value: float, allowed: str) -> Fraction:
    is_number = isinstance(value, int | float | Fraction) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(argument, value, allowed)
    # The decimal that was written, not the nearest binary number: 0.1 of 30 weights is 3.
    return value if isinstance(value, Fraction) else Fraction(str(value))
