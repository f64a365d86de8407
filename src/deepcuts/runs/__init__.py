"""Runs: a configuration and a recipe in, a pruned, retrained, measured and saved model out.

A run's configuration (`PruneConfig`) has a field for each option that any part of it declares
(`deepcuts.runs.settings`). `prepare` loads what it names; `prune` carries out its recipe in a run folder,
step by step (`deepcuts.runs.recipes`, `deepcuts.runs.steps`), where each step is found in a store by what
it depends on, or done. A grid (`deepcuts.runs.grid`) is many runs, what they share done once. Importing the
room loads none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcuts.runs.config import PruneConfig as PruneConfig
    from deepcuts.runs.data import DataConfig as DataConfig
    from deepcuts.runs.job import Job as Job
    from deepcuts.runs.pipeline import prune as prune
    from deepcuts.runs.pipeline import prune_each as prune_each
    from deepcuts.runs.preparing import prepare as prepare
    from deepcuts.runs.recipes import recipe as recipe

_HOMES = {
    "DataConfig": "data",
    "Job": "job",
    "PruneConfig": "config",
    "prepare": "preparing",
    "prune": "pipeline",
    "prune_each": "pipeline",
    "recipe": "recipes",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
