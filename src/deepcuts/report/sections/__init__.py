"""The sections of the page: one file each; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.report.sections.registry import (
    UNREADABLE,
    Material,
    page_section,
    page_sections,
    study_part,
    study_parts,
)

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["UNREADABLE", "Material", "page_section", "page_sections", "study_part", "study_parts"]
