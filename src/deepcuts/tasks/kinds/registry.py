"""Which kinds of task there are: the files of this folder, and what plugins add."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any, TypeVar

from deepcuts.common import plugins
from deepcuts.common.errors import InputError

# Of `deepcuts.tasks.kinds.kind.TaskKind`, which stands above this: it speaks of tasks, and a task asks here.
_REGISTRY: dict[str, Any] = {}
_own_are_found = False
_Kind = TypeVar("_Kind")


def register_kind(kind: type[_Kind]) -> type[_Kind]:
    """Make a kind of task known by its name; a decorator for a subclass of `TaskKind`.

    Raises:
        ValueError: The name is taken.
    """
    made: Any = kind()
    if made.name in _REGISTRY:
        raise ValueError(f"a kind of task named {made.name!r} is registered already")
    _REGISTRY[made.name] = made
    return kind


def find(name: str) -> Any:
    """The kind of that name, see `deepcuts.tasks.kinds.kind.kind_named`.

    Raises:
        InputError: There is none.
    """
    _find_own()
    if name not in _REGISTRY:
        plugins.load()
    if name not in _REGISTRY:
        raise InputError("kind", name, f"the kinds of task are {', '.join(_REGISTRY)}")
    return _REGISTRY[name]


def find_all() -> list[Any]:
    """All kinds."""
    _find_own()
    plugins.load()
    return list(_REGISTRY.values())


def _find_own() -> None:
    global _own_are_found
    if _own_are_found:
        return
    # Found rather than listed: a list is what a new file gets forgotten in. Sorted, for an order everywhere.
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda found: found.name):
        importlib.import_module(f"deepcuts.tasks.kinds.{module.name}")
    _own_are_found = True
