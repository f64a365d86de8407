"""What an allocation is, and the one list of all allocations."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.masks.budget import Budget

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor

_Kind = TypeVar("_Kind", bound="type[Allocation]")

#: The paper's own (DeepCuts, §3.5): what a strategy's name without a scope stands for.
DEFAULT_SCOPE = "tensor"


class Allocation(ABC):
    """How a budget is divided over the prunable tensors, and which weights it keeps of each.

    A new one is a class in a file of its own in this folder, under `allocation`. It says how many weights
    each tensor keeps (`counts`), or, where the scores decide that, which weights are kept (`choose`). Either
    way it keeps exactly ``budget.kept_in_all(all weights)``, and among equal scores the first in the model's
    order; `highest` does both. It may look at all scores together, and cut by other scores than it was given.

    Attributes:
        name: Its part of a strategy's name, such as ``"Layer"`` in ``LayerMagGrad``.
        scope: Its word in files, results and on the command line, such as ``"tensor"``.
        summary: One line for people: who keeps how much.
        source: Paper and section.
        options: What can be set; the values reach the methods by their names, checked, defaults filled in.
    """

    name: ClassVar[str]
    scope: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    def counts(
        self, shapes: Mapping[str, Sequence[int]], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, int] | None:
        """How many weights each tensor keeps, before any score is there.

        Args:
            shapes: Parameter name → shape, in the model's order.
            budget: How much is kept in all.
            options: Values of `options`.

        Returns:
            Parameter name → number of kept weights; None where the scores decide.

        Raises:
            InputError: The budget keeps nothing.
        """
        return None

    def choose(
        self, scores: Mapping[str, Tensor], budget: Budget, options: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """Which weights are kept; here, of each tensor as many of the highest as `counts` says.

        Args:
            scores: Parameter name → importance, in the model's order, finite; not to be changed.
            budget: How much is kept in all.
            options: Values of `options`.

        Returns:
            Parameter name → bool tensor, shaped like the scores, True = kept.

        Raises:
            InputError: The budget keeps nothing.
        """
        kept = self.counts({name: value.shape for name, value in scores.items()}, budget, options)
        if kept is None:
            raise NotImplementedError(f"{type(self).__name__} must say counts, or choose")
        from deepcuts.masks.highest import highest  # late: it needs torch

        return {name: highest({name: value}, kept[name])[name] for name, value in scores.items()}

    def changed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options that are not at their default: an option that is new changes no file or identity."""
        return {
            option.name: given[option.name]
            for option in self.options
            if option.name in given and given[option.name] != option.default
        }


#: Scope → allocation.
REGISTRY: dict[str, Allocation] = {}


def allocation(kind: _Kind) -> _Kind:
    """Register a class as an allocation; every command and driver then knows it.

    Raises:
        ValueError: Its name or its scope is taken.
    """
    for entry in REGISTRY.values():
        if kind.name == entry.name or kind.scope == entry.scope:
            raise ValueError(f"an allocation named {kind.name!r}, {kind.scope!r} is registered already")
    REGISTRY[kind.scope] = kind()
    return kind


def all_allocations() -> list[Allocation]:
    """All allocations, the paper's own first, the others in the order in which they were registered.

    Those of plugins are among them once ``plugins.load()`` has been called.
    """
    return sorted(REGISTRY.values(), key=lambda one: one.scope != DEFAULT_SCOPE)


def allocation_of(scope: str) -> Allocation:
    """The allocation of a scope.

    Raises:
        InputError: There is none.
    """
    if scope not in REGISTRY:
        plugins.load()
    if scope not in REGISTRY:
        known = " or ".join(one.scope for one in all_allocations())
        raise InputError("scope", scope, f"it must be {known}")
    return REGISTRY[scope]
