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


#: From settings that are given and a task's schedule to those that a recipe fills in.
Defaults = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]


def _no_defaults(given: Mapping[str, Any], schedule: Any) -> Mapping[str, Any]:
    return {}


def _no_check(config: Any) -> None:
    pass


@dataclass(frozen=True)
class Recipe:
    """An order of steps.

    Attributes:
        name: What it is asked for by.
        help: The order in a few words.
        steps: Makes the steps for a job, in their order; nothing is done yet.
        options: What of a configuration it reads beside what all recipes do.
        former: How version 0.1 identified a whole run of it; None where that knew no such recipe.
        defaults: From what is given, and the task's schedule, to settings that it fills in where they are
            not given, of whatever choice; they go before the task's schedule.
        check: Refuses a configuration that contradicts it, by an `InputError`.
    """

    name: str
    help: str
    steps: Steps
    options: tuple[Option, ...] = ()
    former: Callable[[Any], Mapping[str, Any] | None] | None = None
    defaults: Defaults = _no_defaults
    check: Callable[[Any], None] = _no_check


_REGISTRY: dict[str, Recipe] = {}


def recipe(
    name: str,
    help: str,
    *,
    options: Sequence[Option] = (),
    former: Callable[[Any], Mapping[str, Any] | None] | None = None,
    defaults: Defaults = _no_defaults,
    check: Callable[[Any], None] = _no_check,
) -> Callable[[Steps], Steps]:
    """Register a function as a recipe; ``--recipe NAME`` and grid files then know it.

    Args:
        name: What it is asked for by; must be new.
        help: The order in a few words.
        options: See `Recipe`; those of another recipe may be taken over as they are.
        former: See `Recipe`.
        defaults: See `Recipe`.
        check: See `Recipe`.

    Raises:
        ValueError: The name is taken.
    """

    def register(steps: Steps) -> Steps:
        if name in _REGISTRY:
            raise ValueError(f"a recipe named {name!r} is registered already")
        _REGISTRY[name] = Recipe(name, help, steps, tuple(options), former, defaults, check)
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
