"""What a gradient is, and the one list of all gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepcuts.common.options import Option
from deepcuts.scoring.options import Limit, ScoringOptions, declare
from deepcuts.scoring.shared_options import MAX_BATCHES

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Passes:
    """The passes over one batch that a gradient's context is entered for.

    Attributes:
        model: The model, on its device.
        parameters: What is differentiated by, by name: the prunable ones.
        options: The options of scoring.
        numbers: Which passes, from 0; several only for a gradient that `stacks`, whose batch then holds all
            rows once for each of them, one after the other.
        seed: The batch's own seed.
    """

    model: nn.Module
    parameters: Mapping[str, nn.Parameter]
    options: ScoringOptions
    numbers: Sequence[int]
    seed: int


Context = Callable[[Passes], AbstractContextManager[object]]


@dataclass(frozen=True)
class Gradient:
    """Which gradient a formula sees: the mean over some passes, each made in a context.

    Attributes:
        name: Its part of a strategy's name, such as ``Smooth``; empty for that of the loss itself.
        context: Given `Passes`, a context in which their forward and backward passes run. It leaves the
            model as it was.
        passes: How many passes a batch has, by the options.
        formula: What stands for g in a criterion's formula, for people.
        source: Paper and equation; may be empty.
        cost: How many passes a batch has, for people.
        options: The options that it reads.
        limit: The option that bounds its batches, one of `options`.
        clean: Whether its context changes nothing and it has one pass, so that the statistics of layers are
            taken from the same pass, and it may be compiled.
        stacks: Whether several passes may run as one larger batch, which suits a GPU.
        keeps_weights: Whether weights have their own values within the context; each gradient is then
            used and freed as soon as it is there, instead of when the context has been left.
        explains: What it is of unless the option `explain` says otherwise: ``"loss"`` or ``"logit"``.
        limits: What it becomes at the limits of its options.
    """

    name: str
    context: Context
    passes: Callable[[ScoringOptions], int]
    formula: str
    source: str
    cost: str
    options: tuple[Option, ...]
    limit: Option
    clean: bool
    stacks: bool
    keeps_weights: bool
    explains: str = "loss"
    limits: tuple[Limit, ...] = ()

    def explained(self, options: ScoringOptions) -> str:
        """What it is of: ``"loss"`` or ``"logit"``."""
        chosen: str | None = options.explain
        return chosen or self.explains


REGISTRY: dict[str, Gradient] = {}


def gradient(
    name: str,
    *,
    passes: Callable[[ScoringOptions], int] = lambda options: 1,
    formula: str,
    source: str = "",
    cost: str = "1 pass",
    options: Iterable[Option] = (),
    limit: Option = MAX_BATCHES,
    clean: bool = False,
    stacks: bool = False,
    keeps_weights: bool = False,
    explains: str = "loss",
    limits: Iterable[Limit] = (),
) -> Callable[[Context], Context]:
    """Register a function as a gradient: it gives a context. Every criterion that reads one combines with it.

    Args:
        name: Its part of a strategy's name; must be new.
        passes: See `Gradient`, as for all others.
        formula: What stands for g, for people.
        source: Paper and equation.
        cost: How many passes a batch has, for people.
        options: The options that it reads.
        limit: The option that bounds its batches.
        clean: Leave it off for a context that does anything.
        stacks: Leave it off unless a pass's context depends on nothing but its rows.
        keeps_weights: Leave it off for a context that changes weights.
        explains: See `Gradient`.
        limits: See `Gradient`.

    Raises:
        ValueError: The name, or that of an option, is taken.
    """

    def register(context: Context) -> Context:
        if name in REGISTRY:
            raise ValueError(f"a gradient named {name!r} is registered already")
        own = tuple(dict.fromkeys([*options, limit]))
        declare(own)
        ends = tuple(limits)
        REGISTRY[name] = Gradient(
            name,
            context,
            passes,
            formula,
            source,
            cost,
            own,
            limit,
            clean,
            stacks,
            keeps_weights,
            explains,
            ends,
        )
        return context

    return register
