"""One file per criterion; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.scoring.criteria.registry import REGISTRY, Criterion, InPaper, criterion

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["REGISTRY", "Criterion", "InPaper", "criterion"]
