"""A strategy's name, such as ``LayerSmoothGradCAMShift``, and the point on four axes that it stands for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.masks.allocations import DEFAULT_SCOPE, all_allocations, allocation_of
from deepcuts.scoring import criteria, gradients
from deepcuts.scoring.criteria import Criterion, InPaper
from deepcuts.scoring.gradients import Gradient
from deepcuts.scoring.options import Limit, ScoringOptions
from deepcuts.scoring.shared_options import COMPILE, DROPOUT, EXPLAIN, PRECISION

_INVERTED = "Inverted"


@dataclass(frozen=True)
class Strategy:
    """Which criterion, of which gradient, in which scope, the right way up or inverted.

    Attributes:
        criterion: Name of a registered criterion, such as ``GradCAMShift``.
        scope: That of an allocation: ``"tensor"`` (the paper's "Layer": the same density in every tensor),
            ``"global"``, or another registered one.
        gradient: Name part of a registered gradient, such as ``Smooth``; empty for that of the loss itself.
        inverted: Whether the worst weights are kept, as a control.
    """

    criterion: str
    scope: str = DEFAULT_SCOPE
    gradient: str = ""
    inverted: bool = False

    @classmethod
    def parse(cls, name: str) -> Strategy:
        """Read a strategy's name.

        Args:
            name: ``[Inverted]ALLOCATION[GRADIENT]CRITERION`` in one word, such as ``LayerGradCAMShift``,
                ``LayerSmoothGradCAM`` or ``InvertedGlobalMagWeight``; or a title of the paper, such as
                ``Cam-Cut``; or ``Random``.

        Raises:
            InputError: There is no such strategy; the message names the nearest.
        """
        rest = paper_titles().get(name, name)
        inverted = rest.startswith(_INVERTED)
        rest = rest.removeprefix(_INVERTED)
        scope, known = _split(rest)
        if known is None:
            plugins.load()
            scope, known = _split(rest)
        if known is None:
            near = ", ".join(_nearest(name))
            raise InputError("strategy", name, f"must be a known strategy; the nearest: {near}")
        return cls(known[0], scope, known[1], inverted)

    def __str__(self) -> str:
        bare = self.formula.any_scope and self.scope == DEFAULT_SCOPE
        prefix = "" if bare else allocation_of(self.scope).name
        return f"{_INVERTED if self.inverted else ''}{prefix}{self.score}"

    @property
    def is_control(self) -> bool:
        """Whether it is what others must beat: the worst weights kept, or a criterion that is a control."""
        return self.inverted or self.formula.control

    @property
    def score(self) -> str:
        """The name without scope and inversion; strategies that share it share their scores."""
        return self.formula.score_name(self.gradient)

    @property
    def formula(self) -> Criterion:
        """The registered criterion."""
        return criteria.REGISTRY[self.criterion]

    @property
    def gradient_read(self) -> Gradient:
        """The registered gradient; that of the loss itself also where the criterion reads none."""
        return gradients.REGISTRY[self.gradient]

    @property
    def needs_data(self) -> bool:
        """Whether its scores read any batch."""
        return bool(self.formula.needs)

    @property
    def options(self) -> list[Option]:
        """The options that can change this strategy's score, as its parts declare them."""
        found = list(self.formula.options)
        if self.needs_data:
            found += [option for kind in self.formula.statistics for option in kind.options]
            found += [*self.gradient_read.options, DROPOUT, PRECISION]
            if self.formula.reads_gradient:
                found.append(EXPLAIN)
            of_batches = self.gradient_read.clean and not self.formula.reads_examples
            if self.formula.reads_layers or of_batches:
                found.append(COMPILE)  # passes in which something is changed are never compiled
        return list(dict.fromkeys(found))

    @property
    def reads(self) -> frozenset[str]:
        """Names of the options that can change this strategy's score."""
        return frozenset(option.name for option in self.options)

    def options_read(self, options: ScoringOptions) -> ScoringOptions:
        """The same options, with every one that this strategy's score doesn't read at its default.

        Two scores of one model on the same batches are equal if these are.
        """
        return ScoringOptions(**{option.name: getattr(options, option.name) for option in self.options})

    def limits(self, option: str) -> list[tuple[Limit, Strategy]]:
        """What it becomes at the limits of an option that its criterion or its gradient reads, by name."""
        of_criterion = [limit for limit in self.formula.limits if limit.option == option]
        of_gradient = [limit for limit in self.gradient_read.limits if limit.option == option]
        return [
            *((limit, replace(self, criterion=limit.becomes)) for limit in of_criterion),
            *((limit, replace(self, gradient=limit.becomes)) for limit in of_gradient),
        ]

    def limit(self, options: ScoringOptions) -> int | None:
        """The most batches that it reads; None for all."""
        bound: int | None = getattr(options, self.gradient_read.limit.name) if self.needs_data else 0
        return bound

    def passes(self, options: ScoringOptions) -> int:
        """Passes a batch of the gradient that it reads; 1 for what needs data, but no gradient."""
        return self.gradient_read.passes(options) if self.needs_data else 0


@dataclass(frozen=True)
class ScoreRequest:
    """A request for scores: a strategy, with options of its own.

    Attributes:
        strategy: The strategy.
        options: How it is scored; those that it doesn't read count for nothing.
    """

    strategy: Strategy
    options: ScoringOptions = field(default_factory=ScoringOptions)

    @property
    def compiles(self) -> bool:
        """Whether any of its passes are compiled by ``torch.compile``."""
        return bool(self.strategy.options_read(self.options).compile)


def strategy_names() -> list[str]:
    """All strategies but the inverted ones, in the order in which their criteria were registered."""
    plugins.load()
    found, scopes = [], [one.scope for one in all_allocations()]
    for criterion, gradient in _score_names().values():
        found += [str(Strategy(criterion, scope, gradient)) for scope in scopes]
    return found


def paper_strategies() -> list[str]:
    """The paper's strategies, in its order."""
    return [one.strategy for one in _in_paper()]


def paper_titles() -> dict[str, str]:
    """What the paper calls some of its strategies → their names."""
    return {one.title: one.strategy for one in _in_paper() if one.title}


def _in_paper() -> list[InPaper]:
    found = [one for criterion in criteria.REGISTRY.values() for one in criterion.in_paper]
    return sorted(found, key=lambda one: one.order)


def _nearest(name: str) -> list[str]:
    """Names to propose for one that there isn't: a few of many."""
    if name in _score_names():  # all that is missing is who keeps how much
        return [f"{one.name}{name}" for one in all_allocations()]
    near = difflib.get_close_matches(name, [*strategy_names(), *paper_titles()], n=3, cutoff=0.5)
    return near or [str(Strategy(criterion)) for criterion in criteria.REGISTRY]


def _split(name: str) -> tuple[str, tuple[str, str] | None]:
    """The scope that a name begins with, and the criterion and gradient that are left of it."""
    scores = _score_names()
    for one in all_allocations():
        known = scores.get(name.removeprefix(one.name)) if name.startswith(one.name) else None
        if known is not None:
            return one.scope, known
    # Only a criterion that treats all weights alike can do without naming its scope.
    known = scores.get(name)
    return DEFAULT_SCOPE, known if known and criteria.REGISTRY[known[0]].any_scope else None


def _score_names() -> dict[str, tuple[str, str]]:
    """A score's name → criterion and gradient; those of the loss's own gradient come first."""
    found: dict[str, tuple[str, str]] = {}
    for part in gradients.REGISTRY:
        for entry in criteria.REGISTRY.values():
            if part and not entry.reads_gradient:
                continue
            name = entry.score_name(part)
            if name in found:
                raise ValueError(f"{name!r} stands for both {found[name]} and {(entry.name, part)}")
            found[name] = entry.name, part
    return found
