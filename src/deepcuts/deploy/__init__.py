"""Using what was pruned: export, the sparse runtime, prediction, and the bench of all ways to run it.

`export` writes and reads the formats, `runtime` runs a model without its zeros on CPUs, `bench` compares all
ways to run one on the machine at hand. What other rooms use is named here and loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcuts.deploy.export.source import load_pruned
    from deepcuts.deploy.prediction import for_inference, predict_texts
    from deepcuts.deploy.runtime import choices_of, sparsify

__all__ = ["choices_of", "for_inference", "load_pruned", "predict_texts", "sparsify"]

_HOMES = {
    "choices_of": "runtime.choices",
    "for_inference": "prediction",
    "load_pruned": "export.source",
    "predict_texts": "prediction",
    "sparsify": "runtime.conversion",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
