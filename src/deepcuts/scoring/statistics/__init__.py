"""One file per statistic; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.scoring.statistics.registry import (
    REGISTRY,
    Call,
    ExampleStatistic,
    GradientStatistic,
    Kind,
    LayerStatistic,
    Statistic,
    statistic,
)

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "REGISTRY",
    "Call",
    "ExampleStatistic",
    "GradientStatistic",
    "Kind",
    "LayerStatistic",
    "Statistic",
    "statistic",
]
