"""What labels are taken for where nobody names a kind of task, and where that would probably be wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from deepcuts.common.errors import DataError
from deepcuts.tasks.kinds.kind import all_kinds, kind_named
from deepcuts.tasks.values import class_names, number_of

# Numbers with a decimal comma, or in groups of thousands, as 3,5 and 1,000 and 1.000,5 and 1 000.
_COMMA = re.compile(r"[+-]?\d+,\d+|[+-]?\d{1,3}([,. \u00a0\u202f]\d{3})+([.,]\d+)?")


def infer_kind(values: Sequence[Any], texts: Sequence[Any] = ()) -> str:
    """Tell from labels what is predicted, as `deepcuts.tasks.own_files.load_files` describes.

    Missing labels don't count.

    Args:
        values: A file's labels.
        texts: The texts beside them, of which the first tells whether they are lists of words.
    """
    fit = [kind for kind in all_kinds() if all(kind.reads(text) for text in texts[:1])]
    return max(fit or all_kinds(), key=lambda kind: kind.likeness(values)).name


def check_unambiguous(values: Sequence[Any], where: str, column: str) -> None:
    """Refuse labels of which a guess would probably be wrong.

    Args:
        values: A file's labels.
        where: The file, for errors.
        column: Their column.

    Raises:
        DataError: They are numbers with a decimal comma or in groups of thousands; one number stands there in
            two ways; or two names differ in case, spaces or the like alone.
    """
    names = class_names(values)
    numbers = [number_of(name) for name in names]
    odd = [name for name, number in zip(names, numbers, strict=True) if number is None]
    if odd and all(map(_COMMA.fullmatch, odd)):
        raise DataError(
            f"{where}: column {column!r} holds {odd[0]!r}; write numbers with a decimal point, or say that "
            "these are names by --kind classification, or several labels a row by --kind labels"
        )
    if kind_named(infer_kind(values)).reads_numbers:
        return
    if None not in numbers and any(number is not None and number.is_integer() for number in numbers):
        _check_apart(dict(zip(names, numbers, strict=True)), "one number", "regression", where, column)
    _check_apart({name: _plain(name) for name in names}, "all but one name", "", where, column)


def _check_apart(meant: dict[str, Any], what: str, other: str, where: str, column: str) -> None:
    """Refuse names of which two mean the same."""
    same: dict[Any, list[str]] = {}
    for name, meaning in meant.items():
        same.setdefault(meaning, []).append(name)
    twice = next((spelled for spelled in same.values() if len(spelled) > 1), None)
    if twice is not None:
        kinds = f"--kind classification or --kind {other}" if other else "--kind classification"
        raise DataError(
            f"{where}: column {column!r} holds {' and '.join(map(repr, twice))}, {what}; as classes they "
            f"would be two. Write them alike, or say {kinds}"
        )


def _plain(name: str) -> str:
    """A name without what no reader sees: case, kinds of spaces, characters of no width."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(one for one in folded if unicodedata.category(one) != "Cf")
    return " ".join(seen.split())
