"""What a criterion is, and the one list of all criteria."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

Statistic = Literal["gradient", "activation"]
CriterionFunction = Callable[[ParamStats, ScoringOptions], Tensor]


@dataclass(frozen=True)
class Criterion:
    """A formula that gives every weight of one tensor an importance from one batch's statistics.

    Attributes:
        name: The part of a strategy's name that stands for it, such as ``GradCAM``.
        function: ``(ParamStats, ScoringOptions) -> importances``, shaped like the tensor, higher = keep.
        needs: The statistics of a batch that it reads; empty for a criterion that needs no data.
        formula: For people, one line.
        source: Paper and equation.
        smooth_name: The name of its smoothed form; None where there is no gradient to smooth.
        reads: The fields of `ScoringOptions` that the formula itself reads, such as ``"shift"``.
        by_row: Whether a weight's importance depends on its own row's statistics alone, so that the
            formula may be given a block of rows at a time, which the processor's cache can hold.
    """

    name: str
    function: CriterionFunction
    needs: frozenset[Statistic]
    formula: str
    source: str
    smooth_name: str | None
    reads: frozenset[str] = frozenset()
    by_row: bool = False


REGISTRY: dict[str, Criterion] = {}


def criterion(
    name: str,
    *,
    needs: Iterable[Statistic] = (),
    formula: str,
    source: str,
    smooth_name: str | None = None,
    reads: Iterable[str] = (),
    by_row: bool = False,
) -> Callable[[CriterionFunction], CriterionFunction]:
    """Register a function as a criterion; every command and driver then knows it.

    Args:
        name: Its name inside strategy names; must be new.
        needs: Statistics it reads, of ``"gradient"`` and ``"activation"``.
        formula: One line for people.
        source: Paper and equation.
        smooth_name: Name of the smoothed form; by default ``"Smooth" + name`` if it needs a gradient.
        reads: Fields of `ScoringOptions` that the formula reads; scores are told apart by these alone.
        by_row: See `Criterion`; leave it off for a formula that compares weights with each other.

    Raises:
        ValueError: The name, or that of the smoothed form, is taken.
    """
    needed, read = frozenset(needs), frozenset(reads)
    if smooth_name is None and "gradient" in needed:
        smooth_name = f"Smooth{name}"

    def register(function: CriterionFunction) -> CriterionFunction:
        taken = {*REGISTRY, *(entry.smooth_name for entry in REGISTRY.values())}
        for new in (name, smooth_name):
            if new is not None and new in taken:
                raise ValueError(f"a criterion named {new!r} is registered already")
        REGISTRY[name] = Criterion(name, function, needed, formula, source, smooth_name, read, by_row)
        return function

    return register
