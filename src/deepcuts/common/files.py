"""Files that are never half-written: each is made under a temporary name and then renamed."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepcuts.common.json_text import parse


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Make a file or a folder with `write`, then move it to `path` in one step.

    Args:
        path: Where the result goes. An existing file is replaced; an existing folder is removed first.
        write: Called with the temporary path, beside `path`, that it must create.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write(temporary)
        _open_to_readers(temporary)
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise


def _open_to_readers(path: Path) -> None:
    """Give files the permissions that the user's umask asks for: safetensors makes its files private."""
    umask = os.umask(0)
    os.umask(umask)
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if file.is_file():
            file.chmod(0o666 & ~umask)


def remove_leftovers(folder: Path) -> None:
    """Delete what a process that was killed left under temporary names; no other may be writing there."""
    for path in folder.glob(".*.tmp"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity are refused (they are not JSON)."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def read_json(path: Path) -> Any:
    """Read a JSON file; see `deepcuts.common.json_text.parse`."""
    return parse(path.read_text(encoding="utf-8"))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
