"""Who keeps how much of a budget: one file per allocation; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.masks.allocations.registry import (
    DEFAULT_SCOPE,
    REGISTRY,
    Allocation,
    all_allocations,
    allocation,
    allocation_of,
)

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["DEFAULT_SCOPE", "REGISTRY", "Allocation", "all_allocations", "allocation", "allocation_of"]
