"""What a criterion is, and the one list of all criteria."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deepcuts.common.options import Option
from deepcuts.scoring import gradients, statistics
from deepcuts.scoring.options import Limit, ScoringOptions, declare
from deepcuts.scoring.param_stats import ParamStats
from deepcuts.scoring.statistics import ExampleStatistic, GradientStatistic, Kind, LayerStatistic

if TYPE_CHECKING:
    from torch import Tensor

CriterionFunction = Callable[[ParamStats, ScoringOptions], "Tensor"]
#: From a cut that is to come, see `deepcuts.scoring.updates.Cut`, to new values by parameter name.
UpdateFunction = Callable[[Any], "Mapping[str, Tensor]"]


@dataclass(frozen=True)
class InPaper:
    """A strategy of the paper that a criterion is the formula of.

    Attributes:
        strategy: Its name, such as ``"LayerSmoothGrad"``.
        order: Reports show the paper's strategies by it.
        title: What the paper calls it, such as ``"Smooth-Cut"``; it is known by that too.
    """

    strategy: str
    order: int
    title: str = ""


@dataclass(frozen=True)
class Criterion:
    """A formula that gives every weight of one tensor an importance from its statistics.

    Attributes:
        name: The part of a strategy's name that stands for it, such as ``GradCAM``.
        function: ``(ParamStats, ScoringOptions) -> importances``, shaped like the tensor, higher = keep.
        needs: Names of the statistics that it reads; empty for a criterion that needs no data. Where they
            are of one batch, importances are summed over batches; where they are accumulated over all
            batches, the formula is applied once.
        formula: For people, one line.
        source: Paper and equation.
        short_name: What stands for it beside a gradient's part of a name, such as ``Grad`` in ``SmoothGrad``.
        options: The options that the formula itself reads.
        by_row: Whether a weight's importance depends on its own row's statistics alone, so that the
            formula may be given a block of rows at a time, which the processor's cache can hold.
        any_scope: Whether a strategy's name may leave its scope out.
        update: Gives kept weights new values that make up for those that are cut, see
            `deepcuts.scoring.updates`; None where they stay as they are.
        control: Whether it is what others must beat, rather than one of them; reports show it apart.
        in_paper: The strategies of the paper that it is the formula of.
        limits: What it becomes at the limits of its options.
    """

    name: str
    function: CriterionFunction
    needs: frozenset[str]
    formula: str
    source: str
    short_name: str
    options: tuple[Option, ...] = ()
    by_row: bool = False
    any_scope: bool = False
    update: UpdateFunction | None = None
    control: bool = False
    in_paper: tuple[InPaper, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def statistics(self) -> list[Kind]:
        """What it needs, in an order that is the same everywhere."""
        return [statistics.REGISTRY[name] for name in sorted(self.needs)]

    @cached_property
    def reads_gradient(self) -> bool:
        """Whether it is a formula of a gradient, so that it combines with every one."""
        return any(issubclass(kind, GradientStatistic | ExampleStatistic) for kind in self.statistics)

    @cached_property
    def reads_examples(self) -> bool:
        """Whether the gradient that it is a formula of is that of single examples."""
        return any(issubclass(kind, ExampleStatistic) for kind in self.statistics)

    @cached_property
    def reads_layers(self) -> bool:
        """Whether it needs what layers take in or put out."""
        return any(issubclass(kind, LayerStatistic) for kind in self.statistics)

    @cached_property
    def accumulates(self) -> bool:
        """Whether its statistics go on over all batches, and the formula is applied once."""
        return any(not kind.per_batch for kind in self.statistics)

    def score_name(self, gradient: str) -> str:
        """Its name with a gradient's part: ``SmoothGradCAM``."""
        return f"{gradient}{self.short_name}" if gradient else self.name

    @property
    def score_names(self) -> dict[str, str]:
        """Its name with each gradient that it combines with → the gradient's part."""
        parts = gradients.REGISTRY if self.reads_gradient else [""]
        return {self.score_name(part): part for part in parts}


REGISTRY: dict[str, Criterion] = {}


def criterion(
    name: str,
    *,
    needs: Iterable[str] = (),
    formula: str,
    source: str,
    short_name: str | None = None,
    options: Iterable[Option] = (),
    by_row: bool = False,
    any_scope: bool = False,
    update: UpdateFunction | None = None,
    control: bool = False,
    in_paper: Iterable[InPaper] = (),
    limits: Iterable[Limit] = (),
) -> Callable[[CriterionFunction], CriterionFunction]:
    """Register a function as a criterion; every command and driver then knows it.

    Args:
        name: Its name inside strategy names; must be new.
        needs: Statistics it reads, by name, such as ``"gradient"`` and ``"activation"``; all of one batch,
            or all accumulated over batches.
        formula: One line for people.
        source: Paper and equation.
        short_name: What stands for it beside a gradient's part of a name; by default `name`.
        options: The options that the formula reads; scores are told apart by what they read alone.
        by_row: See `Criterion`; leave it off for a formula that compares weights with each other.
        any_scope: See `Criterion`.
        update: See `Criterion`.
        control: See `Criterion`.
        in_paper: See `Criterion`.
        limits: See `Criterion`.

    Raises:
        ValueError: A name is taken, a statistic is unknown, or one is of a batch and another accumulated.
    """
    needed, own = frozenset(needs), tuple(options)
    papers, ends = tuple(in_paper), tuple(limits)

    def register(function: CriterionFunction) -> CriterionFunction:
        unknown = needed - statistics.REGISTRY.keys()
        if unknown:
            raise ValueError(f"no statistic named {min(unknown)!r} is registered")
        new = Criterion(
            name,
            function,
            needed,
            formula,
            source,
            short_name or name,
            own,
            by_row,
            any_scope,
            update,
            control,
            papers,
            ends,
        )
        if len({kind.per_batch for kind in new.statistics}) > 1:
            raise ValueError(f"{name!r} needs statistics of one batch and accumulated ones at once")
        if new.reads_examples and any(issubclass(kind, GradientStatistic) for kind in new.statistics):
            raise ValueError(f"{name!r} needs gradients of batches and of single examples at once")
        taken = {other for entry in REGISTRY.values() for other in entry.score_names}
        for other in new.score_names:
            if other in taken:
                raise ValueError(f"a criterion named {other!r} is registered already")
        declare(own)
        REGISTRY[name] = new
        return function

    return register
