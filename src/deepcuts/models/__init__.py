"""Models of Transformers: found, loaded for a task or as they were saved, and saved sparse.

`loading` loads, by `names` that users give; `purpose` says what kind of task a model is for and whether it
fits one; `heads` bounds outputs. The sparse file is in `sparse_checkpoint`, and `transformers_plugin` lets
Transformers load and save it. What stands here is loaded when it is first used: Transformers takes seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcuts.models.loading import load_encoder as load_encoder
    from deepcuts.models.loading import load_finetuned as load_finetuned
    from deepcuts.models.loading import load_for_task as load_for_task
    from deepcuts.models.loading import load_tokenizer as load_tokenizer
    from deepcuts.models.loading import load_trained as load_trained
    from deepcuts.models.names import resolve_model as resolve_model
    from deepcuts.models.purpose import check_fits as check_fits
    from deepcuts.models.purpose import kind_of_model as kind_of_model

_HOMES = {
    "check_fits": "purpose",
    "kind_of_model": "purpose",
    "load_encoder": "loading",
    "load_finetuned": "loading",
    "load_for_task": "loading",
    "load_tokenizer": "loading",
    "load_trained": "loading",
    "resolve_model": "names",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
