"""Public modules under a shorter name than their place in the house: ``deepcuts.runtime``, for instance.

They are found when they are first imported, and are the very same modules.
"""

from __future__ import annotations

import importlib
import sys

# As type checkers know it: every import of the package comes by here, and `typing` takes long.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

ALIASES = {
    "deepcuts.runtime": "deepcuts.deploy.runtime",
    "deepcuts.transformers_plugin": "deepcuts.models.transformers_plugin",
}


class _Aliased:
    """Gives the module that an alias stands for; there is nothing to execute."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the alias's in its place

    def get_code(self, name: str) -> Any:
        """For ``python -m``."""
        from importlib.util import find_spec

        spec = find_spec(self._target)
        assert spec is not None
        return spec.loader.get_code(self._target)  # type: ignore[union-attr]


class _Finder:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for alias, real in ALIASES.items():
            if name == alias or name.startswith(f"{alias}."):
                from importlib.machinery import ModuleSpec
                from importlib.util import find_spec

                place = real + name.removeprefix(alias)
                found = find_spec(place)
                if found is None:
                    return None
                loader: Any = _Aliased(place)  # without its base class: `importlib.abc` takes long as well
                spec = ModuleSpec(name, loader, origin=found.origin)
                spec.submodule_search_locations = found.submodule_search_locations
                return spec
        return None


def install() -> None:
    """Let the aliases be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
