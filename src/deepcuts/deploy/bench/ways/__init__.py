"""The ways in which ``bench`` runs a model: one file each; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.deploy.bench.ways.registry import (
    REFERENCE,
    REGISTRY,
    Batch,
    Runner,
    Setting,
    Way,
    all_ways,
    check_names,
    chosen,
    register_way,
    way_named,
    without,
)

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "REFERENCE",
    "REGISTRY",
    "Batch",
    "Runner",
    "Setting",
    "Way",
    "all_ways",
    "check_names",
    "chosen",
    "register_way",
    "way_named",
    "without",
]
