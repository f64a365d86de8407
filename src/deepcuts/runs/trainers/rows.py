"""Digests of a Trainer's data sets: whether a run that goes on still has the rows that it began with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from deepcuts.common.digests import tensor_bytes


def rows_digest(rows: Any) -> str | None:
    """SHA-256 of every row of a data set; None where it has no length, or a row holds what is not known here.

    Args:
        rows: A data set with a length, rows by number, or a mapping of names to some.
    """
    if isinstance(rows, Mapping):
        parts = {str(name): rows_digest(inner) for name, inner in rows.items()}
        return None if None in parts.values() else _hashed(repr(sorted(parts.items())))
    if rows is None or not (hasattr(rows, "__len__") and hasattr(rows, "__getitem__")):
        return None
    digest = hashlib.sha256()
    try:
        for number in range(len(rows)):
            _add(digest, rows[number])
    except (TypeError, _UntoldError):
        return None
    return digest.hexdigest()


class _UntoldError(Exception):
    """A value of a kind whose content is not known."""


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for name in sorted(value, key=str):
            digest.update(f"{name}\x1f".encode())
            _add(digest, value[name])
        digest.update(b"\x1d")
    elif isinstance(value, list | tuple):
        digest.update(f"{len(value)}[".encode())
        for inner in value:
            _add(digest, inner)
    elif isinstance(value, Tensor):
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
        digest.update(tensor_bytes(value).numpy().data)
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif value is None or isinstance(value, str | int | float | bool | bytes | np.generic):
        digest.update(f"{type(value).__name__}{value!r}\x1e".encode())
    elif hasattr(value, "__dataclass_fields__"):
        _add(digest, vars(value))
    elif hasattr(value, "texts") and hasattr(value, "label"):  # InputExample of sentence-transformers
        _add(digest, [value.texts, value.label])
    else:
        raise _UntoldError
