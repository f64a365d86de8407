"""Files that are never half-written: each is made under a temporary name and then renamed."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from deepcuts.common.errors import DeepcutsError, InputError, brief, refusal
from deepcuts.common.json_text import parse
from deepcuts.common.text_lines import refuse_endless

#: What safetensors calls a file until it is whole; it writes it beside the name that it was given.
_OF_SAFETENSORS = ".tmp" + 6 * "[0-9A-Za-z]"


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Make a file or a folder with `write`, then move it to `path` in one step.

    Args:
        path: Where the result goes. An existing file is replaced, and a folder by a folder.
        write: Called with the temporary path, beside `path`, that it must create.

    Raises:
        StorageError: The operating system would not write it; what was there before is there still.
    """
    temporary = _beside(path, "tmp")
    try:
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _look(path)
            write(temporary)
            _open_to_readers(temporary)
            _put(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses in the context into one error that names the path.

    Raises:
        StorageError: Something could not be written.
    """
    try:
        yield
    except (DeepcutsError, KeyboardInterrupt):
        raise
    except Exception as error:
        if (refused := refusal(error, path)) is None:
            raise
        raise refused from error


def check_output(path: Path, argument: str = "output", *, folder: bool = False) -> None:
    """Refuse a place where nothing can be written, before any work is done for it; nothing is made.

    Args:
        path: A file or a folder that is to be made, or a folder in which something is.
        argument: What the caller calls it.
        folder: Whether it is a folder, so that a file that is there is in the way.

    Raises:
        InputError: Something on the way is a file, or may not be written to, or a name can't be one.
    """
    try:
        there = next((place for place in (path, *path.absolute().parents) if os.path.lexists(place)), None)
        names = [] if there is None else path.absolute().parts[len(there.absolute().parts) :]
        longest = os.pathconf(there, "PC_NAME_MAX") if there is not None and hasattr(os, "pathconf") else 255
        if any(len(os.fsencode(name)) > longest for name in names):
            raise InputError(argument, str(path), f"a name may have {longest} bytes at most")
        _look(path)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(argument, str(path), f"nothing can be written there ({brief(error)})") from None
    if there is None or (there == path and not there.is_dir() and not folder):
        return  # whether a file may be replaced is its command's to say
    if not there.is_dir():
        raise InputError(argument, str(path), f"{str(there)!r} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(argument, str(path), f"nothing may be written in {str(there)!r}")


def _look(path: Path) -> None:
    """Raise now what the operating system has against a path, but for that nothing is there."""
    with suppress(FileNotFoundError):
        os.lstat(path)


def _beside(path: Path, ending: str) -> Path:
    """A name beside a path that `remove_leftovers` finds; a long one is cut, so that no name is too long."""
    return path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex[:8]}.{ending}")


def _put(made: Path, path: Path) -> None:
    """Move what was made into its place; a folder that is there moves aside first, and back if that fails."""
    if not path.is_dir() or path.is_symlink() or not made.is_dir():
        made.replace(path)  # which refuses to put a file in the place of a folder
        return
    before = _beside(path, "tmp")
    path.replace(before)
    try:
        made.replace(path)
    except BaseException:
        before.replace(path)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _open_to_readers(path: Path) -> None:
    """Give files the permissions that the user's umask asks for: safetensors makes its files private."""
    umask = os.umask(0)
    os.umask(umask)
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if file.is_file():
            file.chmod(0o666 & ~umask)


def remove_leftovers(folder: Path) -> None:
    """Delete what a process that was killed left under temporary names; no other may be writing there."""
    for pattern in (".*.tmp", _OF_SAFETENSORS):
        for path in folder.glob(pattern):
            _remove(path)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity are refused (they are not JSON)."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def read_json(path: Path) -> Any:
    """Read a JSON file; see `deepcuts.common.json_text.parse`."""
    with path.open("rb") as file:
        refuse_endless(file)
        return parse(file.read().decode())


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
