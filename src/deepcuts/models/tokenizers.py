"""Whether a tokenizer can be this model's, before a row is tokenised."""

from __future__ import annotations

from typing import Any

from deepcuts.common.errors import ModelError


def fit_tokenizer(name: str, tokenizer: Any, model: Any) -> list[str]:
    """Refuse a tokenizer that knows no words, or words for which the model has no embedding.

    One without a token for padding gets the one that the model's configuration names.

    Args:
        name: What the user calls the model.
        tokenizer: A Hugging Face tokenizer.
        model: The model.

    Returns:
        What was done to it, a sentence each.

    Raises:
        ModelError: The model can't be used with it.
    """
    vocabulary = tokenizer.get_vocab()
    if not set(vocabulary.values()) - set(tokenizer.all_special_ids):
        raise ModelError(
            f"model: the tokenizer of {name!r} knows no words; its files (tokenizer.json, vocab.txt or what "
            "the model has) belong beside config.json"
        )
    rows = int(model.get_input_embeddings().weight.shape[0])
    token, highest = max(vocabulary.items(), key=lambda entry: int(entry[1]))
    if highest >= rows:
        raise ModelError(
            f"model: the tokenizer of {name!r} knows {token!r} as {highest}, but the model has embeddings "
            f"for {rows} tokens; it is another model's, or tokens were added without resize_token_embeddings"
        )
    if tokenizer.pad_token_id is not None:
        return []
    index = getattr(model.config, "pad_token_id", None)
    padding = None if index is None else tokenizer.convert_ids_to_tokens(int(index))
    if padding is None:
        raise ModelError(
            f"model: the tokenizer of {name!r} has no token for padding, and the configuration names none "
            "that it knows; set pad_token in tokenizer_config.json"
        )
    tokenizer.pad_token = padding
    return [f"batches are padded with {padding!r}, which the model's configuration names"]
