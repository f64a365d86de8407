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
    _check_length(name, tokenizer)
    told = _settle_inputs(tokenizer)
    if tokenizer.pad_token_id is not None:
        return told
    index = getattr(model.config, "pad_token_id", None)
    padding = None if index is None else tokenizer.convert_ids_to_tokens(int(index))
    if padding is None:
        raise ModelError(
            f"model: the tokenizer of {name!r} has no token for padding, and the configuration names none "
            "that it knows; set pad_token in tokenizer_config.json"
        )
    tokenizer.pad_token = padding
    return [*told, f"batches are padded with {padding!r}, which the model's configuration names"]


def _check_length(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer whose greatest length is none."""
    length = tokenizer.model_max_length
    if isinstance(length, bool) or not isinstance(length, int | float) or not length >= 1:
        raise ModelError(
            f"model: the tokenizer of {name!r} has model_max_length {length!r}, but it must be a number of "
            "tokens; correct it in tokenizer_config.json"
        )


def _settle_inputs(tokenizer: Any) -> list[str]:
    """Let batches have what an encoder needs of them, and say what was done."""
    told = []
    lacking = [one for one in ("input_ids", "attention_mask") if one not in tokenizer.model_input_names]
    if lacking:
        # Without a mask, what a model says of a text depends on the padding, and so on its batch.
        tokenizer.model_input_names = [*lacking, *tokenizer.model_input_names]
        told.append(f"the tokenizer does not name {' and '.join(lacking)} among its outputs; added")
    if tokenizer.padding_side != "right":
        # The first token is read by the pooler, and positions count from it.
        tokenizer.padding_side = "right"
        told.append("the tokenizer pads at the left, where an encoder has its first token; done at the right")
    return told
