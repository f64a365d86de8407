"""How many texts a row has that a model was trained on: one, or two that belong together."""

from __future__ import annotations

from typing import Any

from deepcuts.common.errors import ModelError

#: Where a model's own config keeps it; that is how it is saved with the model.
KEY = "deepcuts_texts"
_WORDS = {1: "single texts", 2: "pairs"}


def texts_of(config: Any) -> int | None:
    """How many texts a row has; None where the model doesn't say, as those of others and of version 0.1."""
    return getattr(config, KEY, None)


def check_texts(config: Any, count: int, what: str) -> None:
    """Refuse rows of another number of texts than the model was trained on: it would answer all the same.

    Args:
        config: The model's configuration.
        count: How many texts a row has.
        what: What has such rows, for the message, such as ``"the task cola"``.

    Raises:
        ModelError: The model was trained on others.
    """
    known = texts_of(config)
    if known is not None and known != count:
        raise ModelError(f"model: it was trained on {_WORDS[known]}, but {what} has {_WORDS[count]}")
