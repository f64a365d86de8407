"""A safetensors file with a JSON header of ours and a digest over everything in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import FileFormatError
from deepcuts.common.files import write_atomically

FORMAT_VERSION = 1
_KEY = "deepcuts"


def save(path: str | Path, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and header, atomically.

    Args:
        path: The file; its folder is made where it is missing.
        kind: What the file holds, such as ``"masks"``; checked on reading.
        tensors: By name, of any type.
        header: JSON-able facts about them.
    """
    ordered = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    content = {"kind": kind, "format": FORMAT_VERSION, **header}
    content["digest"] = _digest(content, ordered)
    metadata = {_KEY: _text(content)}
    write_atomically(Path(path), lambda temporary: save_file(ordered, temporary, metadata))


def load(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file that `save` wrote.

    Returns:
        The tensors by name, and the header.

    Raises:
        FileFormatError: The file is missing, truncated, altered, of another kind, or too new.
    """
    if not Path(path).is_file():
        raise FileFormatError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content = json.loads(metadata[_KEY])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise FileFormatError(f"{path}: not a {kind} file of deepcuts, or truncated ({error})") from None
    held = content.get("kind") if isinstance(content, dict) else None
    if held != kind:
        raise FileFormatError(f"{path}: holds {held!r}, not {kind}")
    if content.get("format") != FORMAT_VERSION:
        raise FileFormatError(
            f"{path}: has format {content.get('format')!r}; this version reads format {FORMAT_VERSION}"
        )
    # A number can be spelled in several ways, so the text itself must be ours too.
    untouched = metadata[_KEY] == _text(content)
    stated = content.pop("digest", None)
    ordered = {name: tensors[name] for name in sorted(tensors)}
    if not untouched or stated != _digest(content, ordered):
        raise FileFormatError(f"{path}: was altered after it was written (its digest does not match)")
    return ordered, content


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _digest(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((canonical + tensors_digest(tensors.items())).encode()).hexdigest()
