"""How many tokens of a text a model reads."""

from __future__ import annotations

from typing import Any

from deepcuts.common.errors import InputError, ModelError

#: Tokens of a row at least: its special tokens, and some words.
LEAST = 8
#: Tokens of a row at most, where neither a user nor a model says.
USUAL = 128
#: Where a model's own config keeps how many it was trained with; that is how they are saved with it.
KEY = "deepcuts_max_length"


def usual_length(config: Any) -> int:
    """Tokens of a row at most unless a user says otherwise: what the model was trained with, if known."""
    held = getattr(config, KEY, None)
    return held if isinstance(held, int) and held > 0 else USUAL


def length_for(max_length: int | None, tokenizer: Any, model: Any) -> int:
    """Tokens of a row at most: what is asked for, or usual, as far as model and tokenizer go.

    Args:
        max_length: What is asked for; None for what is usual.
        tokenizer: A Hugging Face tokenizer.
        model: The model.

    Raises:
        InputError: What is asked for holds no more than the special tokens.
        ModelError: Model and tokenizer go no further than that.
    """
    if max_length is not None and max_length < LEAST:
        raise InputError("max_length", max_length, f"it must be {LEAST} tokens or more")
    wanted = usual_length(model.config) if max_length is None else max_length
    possible = most_tokens(tokenizer, model)
    if possible < LEAST:
        raise ModelError(
            f"model: it and its tokenizer take {possible} tokens at most (max_position_embeddings "
            f"{getattr(model.config, 'max_position_embeddings', None)}, model_max_length "
            f"{tokenizer.model_max_length}), which leaves no room for texts"
        )
    return min(wanted, possible)


def length_note(max_length: int | None, length: int) -> list[str]:
    """A sentence for people if less is read than was asked for, or else none."""
    if max_length is None or length >= max_length:
        return []
    return [f"the model takes {length} tokens at most, so rows are cut there, not at {max_length}"]


def most_tokens(tokenizer: Any, model: Any) -> int:
    """The most tokens that a model and its tokenizer take."""
    return min(int(tokenizer.model_max_length), positions(model))


def positions(model: Any) -> int:
    """The most tokens that a model has positions for."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return 1 << 30
    # RoBERTa and its kin count positions from the padding id on, also where that is 0.
    offset = getattr(getattr(model, "base_model", model), "embeddings", None)
    padding = getattr(offset, "padding_idx", None)
    return int(positions) - (int(padding) + 1 if padding is not None else 0)
