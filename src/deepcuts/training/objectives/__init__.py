"""What a training minimises: one file per objective; importing this package registers them all.

An objective is a pure function of a batch, of what the student says of it and, where it asks for one, of
what a teacher says of it. The Trainer owns passes, modes, precision, accumulation and processes.
"""

from __future__ import annotations

import importlib
import pkgutil

from deepcuts.training.objectives.registry import (
    DEFAULT_OBJECTIVE,
    OBJECTIVES,
    Objective,
    Pass,
    find_objective,
    objective,
)

# Found rather than listed: a list is what a new file gets forgotten in.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["DEFAULT_OBJECTIVE", "OBJECTIVES", "Objective", "Pass", "find_objective", "objective"]
