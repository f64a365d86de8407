"""What a model's configuration holds of ours, and how its file names outputs: checked when it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from deepcuts.common.errors import ModelError
from deepcuts.models.heads import CONFIG_KEY as RANGE_KEY
from deepcuts.tasks.lengths import KEY as LENGTH_KEY
from deepcuts.tasks.lengths import LEAST
from deepcuts.tasks.texts import KEY as TEXTS_KEY


def check_own(config: Any) -> None:
    """Refuse settings of ours that nothing of ours has written.

    Raises:
        ModelError: One has a value that it can't have.
    """
    length = getattr(config, LENGTH_KEY, None)
    if length is not None and not (_is_whole(length) and length >= LEAST):
        raise _wrong(LENGTH_KEY, length, f"a whole number, {LEAST} or more")
    texts = getattr(config, TEXTS_KEY, None)
    if texts is not None and not (_is_whole(texts) and texts in (1, 2)):
        raise _wrong(TEXTS_KEY, texts, "1 or 2")
    bounds = getattr(config, RANGE_KEY, None)
    if bounds is None:
        return
    is_pair = isinstance(bounds, list | tuple) and len(bounds) == 2 and all(map(_is_number, bounds))
    if not is_pair or not bounds[0] < bounds[1]:
        raise _wrong(RANGE_KEY, bounds, "two finite numbers, the lower one first")
    if config.num_labels != 1:
        raise _wrong(RANGE_KEY, bounds, f"of a model with one output, and this one has {config.num_labels}")


def check_ids(content: Any) -> None:
    """Refuse outputs that are named twice in a file, as ``"1"`` and ``"01"``: one of the names would be lost.

    Args:
        content: What ``config.json`` holds.

    Raises:
        ModelError: Two of its ``id2label`` are one number.
    """
    named = content.get("id2label") if isinstance(content, Mapping) else None
    seen: dict[int, str] = {}
    for key in named if isinstance(named, Mapping) else ():
        try:
            index = int(key)
        except ValueError:
            return  # Transformers says that it is no number
        if index in seen:
            raise ModelError(
                f"model: the id2label of its configuration names output {index} twice, as {seen[index]!r} "
                f"and {key!r}"
            )
        seen[index] = key


def _wrong(key: str, value: Any, allowed: str) -> ModelError:
    return ModelError(f"model: the {key} of its configuration is {value!r}, but it must be {allowed}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
