"""A safetensors file with a JSON header of ours and a digest over everything in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from deepcuts.common import safetensors_file
from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import FileFormatError, brief
from deepcuts.common.files import write_atomically
from deepcuts.common.json_text import parse

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
    tensors, metadata = safetensors_file.read(path, f"{kind} file of deepcuts")
    try:
        content = parse(metadata[_KEY])
    except (ValueError, KeyError, RecursionError) as error:
        raise FileFormatError(f"{path}: not a {kind} file of deepcuts ({error})") from None
    held = content.get("kind") if isinstance(content, dict) else None
    if held != kind:
        raise FileFormatError(f"{path}: holds {held!r:.80}, not {kind}")
    if content.get("format") != FORMAT_VERSION:
        raise FileFormatError(
            f"{path}: has format {content.get('format')!r:.80}; this version reads format {FORMAT_VERSION}"
        )
    ordered = {name: tensors[name] for name in sorted(tensors)}
    if not _is_whole(metadata[_KEY], content, ordered):
        raise FileFormatError(f"{path}: was altered after it was written (its digest does not match)")
    return ordered, content


def kind_of(path: str | Path) -> str | None:
    """What a file that `save` wrote holds, by its header alone; None for any other file."""
    try:
        with safe_open(path, framework="pt") as file:
            content = parse((file.metadata() or {})[_KEY])
        return str(content["kind"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


@contextmanager
def meaning(path: str | Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong with a header that has the right digest, and yet is none, into one error.

    Args:
        path: The file, for the message.
        kind: What it should hold.

    Raises:
        FileFormatError: In the context, something is missing from the header, or of a wrong type or value.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else brief(error)
        raise FileFormatError(f"{path}: its {kind} contradict themselves ({reason})") from None


def _is_whole(text: str, content: dict[str, Any], tensors: Mapping[str, Tensor]) -> bool:
    """Whether header and tensors are as they were written; takes the digest out of the content."""
    try:
        # A number can be spelled in several ways, so the text itself must be ours too.
        is_ours = text == _text(content)
    except RecursionError:
        return False
    stated = content.pop("digest", None)
    return is_ours and stated == _digest(content, tensors)


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _digest(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((canonical + tensors_digest(tensors.items())).encode()).hexdigest()
