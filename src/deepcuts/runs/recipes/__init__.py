"""One file per recipe, which is an order of steps; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.runs.recipes.registry import Recipe, recipe, recipe_named, recipes

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Recipe", "recipe", "recipe_named", "recipes"]
