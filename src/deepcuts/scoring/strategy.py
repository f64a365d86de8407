"""A strategy's name, such as ``LayerSmoothGradCAMShift``, and the point on four axes that it stands for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.masks.allocations import DEFAULT_SCOPE, all_allocations, allocation_of
from deepcuts.scoring.criteria import REGISTRY, Criterion
from deepcuts.scoring.options import ScoringOptions

#: The paper's titles for three of its strategies.
TITLES = {
    "Cam-Cut": "LayerGradCAMShift",
    "Smooth-Cut": "LayerSmoothGrad",
    "Smooth-Cam-Cut": "LayerSmoothGradCAMShift",
}
_INVERTED = "Inverted"
#: Only a criterion that treats all weights alike can do without naming its scope.
_BARE = "Random"


@dataclass(frozen=True)
class Strategy:
    """Which criterion, smoothed or not, in which scope, the right way up or inverted.

    Attributes:
        criterion: Name of a registered criterion, such as ``GradCAMShift``.
        scope: That of an allocation: ``"tensor"`` (the paper's "Layer": the same density in every tensor),
            ``"global"``, or another registered one.
        smooth: Whether its gradient is averaged over noisy passes.
        inverted: Whether the worst weights are kept, as a control.
    """

    criterion: str
    scope: str = DEFAULT_SCOPE
    smooth: bool = False
    inverted: bool = False

    @classmethod
    def parse(cls, name: str) -> Strategy:
        """Read a strategy's name.

        Args:
            name: ``[Inverted]ALLOCATION SCORE`` in one word, such as ``LayerGradCAMShift`` or
                ``InvertedGlobalMagWeight``; or a title of the paper, such as ``Cam-Cut``; or ``Random``.

        Raises:
            InputError: There is no such strategy; the message names the nearest.
        """
        rest = TITLES.get(name, name)
        inverted = rest.startswith(_INVERTED)
        rest = rest.removeprefix(_INVERTED)
        scope, known = _split(rest)
        if known is None:
            plugins.load()
            scope, known = _split(rest)
        if known is None:
            names = [*strategy_names(), *TITLES]
            near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names
            raise InputError("strategy", name, f"must be a known strategy; the nearest: {', '.join(near)}")
        return cls(known[0], scope, known[1], inverted)

    def __str__(self) -> str:
        bare = self.criterion == _BARE and self.scope == DEFAULT_SCOPE
        prefix = "" if bare else allocation_of(self.scope).name
        return f"{_INVERTED if self.inverted else ''}{prefix}{self.score}"

    @property
    def score(self) -> str:
        """The name without scope and inversion; strategies that share it share their scores."""
        smooth_name = self.formula.smooth_name
        return smooth_name if self.smooth and smooth_name else self.criterion

    @property
    def reads(self) -> frozenset[str]:
        """The fields of `ScoringOptions` that can change this strategy's score."""
        read = set(self.formula.reads)
        if self.formula.needs:
            read |= {"dropout", "precision", "max_smooth_batches" if self.smooth else "max_batches"}
        if "activation" in self.formula.needs:
            read.add("padding")
        if self.formula.needs and (not self.smooth or "activation" in self.formula.needs):
            read.add("compile")  # noisy passes are never compiled
        if self.smooth:
            read |= {"noise_std", "paths"}
        return frozenset(read)

    def options_read(self, options: ScoringOptions) -> ScoringOptions:
        """The same options, with every one that this strategy's score doesn't read at its default.

        Two scores of one model on the same batches are equal if these are.
        """
        return ScoringOptions(**{name: getattr(options, name) for name in self.reads})

    @property
    def formula(self) -> Criterion:
        """The registered criterion."""
        return REGISTRY[self.criterion]


def strategy_names() -> list[str]:
    """All strategies but the inverted ones, in the order in which their criteria were registered."""
    plugins.load()
    found, scopes = [], [one.scope for one in all_allocations()]
    for criterion, smooth in _score_names().values():
        found += [str(Strategy(criterion, scope, smooth)) for scope in scopes]
    return found


def _split(name: str) -> tuple[str, tuple[str, bool] | None]:
    """The scope that a name begins with, and the criterion, smoothed or not, that is left of it."""
    scores = _score_names()
    for one in all_allocations():
        known = scores.get(name.removeprefix(one.name)) if name.startswith(one.name) else None
        if known is not None:
            return one.scope, known
    return DEFAULT_SCOPE, scores[_BARE] if name == _BARE else None


def _score_names() -> dict[str, tuple[str, bool]]:
    names = {name: (name, False) for name in REGISTRY}
    names.update({c.smooth_name: (c.name, True) for c in REGISTRY.values() if c.smooth_name})
    return names
