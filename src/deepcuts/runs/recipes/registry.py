"""What a recipe is, and the one list of all recipes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.common.options import Option

#: From a job, whose configuration holds the recipe's options, to the steps.
Steps = Callable[[Any], Sequence[Any]]


@dataclass(frozen=True)
class Recipe:
    """An order of steps.

    Attributes:
        name: What it is asked for by.
        help: The order in a few words.
        steps: Makes the steps for a job, in their order; nothing is done yet.
        options: What of a configuration it reads beside what all recipes do.
        former: How version 0.1 identified a whole run of it; None where that knew no such recipe.
    """

    name: str
    help: str
    steps: Steps
    options: tuple[Option, ...] = ()
    former: Callable[[Any], Mapping[str, Any] | None] | None = None


_REGISTRY: dict[str, Recipe] = {}


def recipe(
    name: str,
    help: str,
    *,
    options: Sequence[Option] = (),
    former: Callable[[Any], Mapping[str, Any] | None] | None = None,
) -> Callable[[Steps], Steps]:
    """Register a function as a recipe; ``--recipe NAME`` and grid files then know it.

    Args:
        name: What it is asked for by; must be new.
        help: The order in a few words.
        options: See `Recipe`; those of another recipe may be taken over as they are.
        former: See `Recipe`.

    Raises:
        ValueError: The name is taken.
    """

    def register(steps: Steps) -> Steps:
        if name in _REGISTRY:
            raise ValueError(f"a recipe named {name!r} is registered already")
        _REGISTRY[name] = Recipe(name, help, steps, tuple(options), former)
        return steps

    return register


def recipes() -> dict[str, Recipe]:
    """All recipes by name, those of plugins too, in the order in which they were registered."""
    plugins.load()
    return dict(_REGISTRY)


def recipe_named(name: str) -> Recipe:
    """A recipe.

    Raises:
        InputError: There is none of this name.
    """
    known = recipes()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
        raise InputError("recipe", name, f"it must be the name of a recipe: {', '.join(near)}")
    return known[name]
