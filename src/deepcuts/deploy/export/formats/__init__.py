"""The formats in which a pruned model is exported, one file each; importing this registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.deploy.export.formats.registry import (
    REGISTRY,
    Format,
    Source,
    Written,
    all_formats,
    format_named,
    format_of,
    register_format,
)

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "REGISTRY",
    "Format",
    "Source",
    "Written",
    "all_formats",
    "format_named",
    "format_of",
    "register_format",
]
