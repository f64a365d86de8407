"""How many tokens of a text a model reads."""

from __future__ import annotations

from typing import Any

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
    """
    wanted = usual_length(model.config) if max_length is None else max_length
    return min(wanted, int(tokenizer.model_max_length), positions(model))


def positions(model: Any) -> int:
    """The most tokens that a model has positions for."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return 1 << 30
    # RoBERTa and its kin count positions from the padding id on, also where that is 0.
    offset = getattr(getattr(model, "base_model", model), "embeddings", None)
    padding = getattr(offset, "padding_idx", None)
    return int(positions) - (int(padding) + 1 if padding is not None else 0)
