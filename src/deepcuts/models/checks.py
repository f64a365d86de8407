"""What is checked of every model that is loaded, before anything is computed with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepcuts.common.errors import DeepcutsError, ModelError, brief, refusal
from deepcuts.common.files import read_json
from deepcuts.models.own_settings import check_ids, check_own
from deepcuts.tasks.labels import names_of

# Buffers that older versions of Transformers saved, and that a model makes anew.
_BUFFERS = ("position_ids", "token_type_ids", "inv_freq")
# What a configuration may ask for that no command here wants: other outputs, or in another form.
# The last one says in what parts a layer is computed; a text's length must be a multiple of it.
_PLAIN = {
    "return_dict": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "chunk_size_feed_forward": 0,
}


def check_config(name: str, source: str, config: Any) -> None:
    """Refuse a configuration that contradicts itself, and let the model give its outputs in the usual form.

    Args:
        name: What the user calls the model.
        source: The folder that it is in, or its name on the Hub.
        config: The configuration; changed in place.

    Raises:
        ModelError: A name stands in the file twice, outputs are named in a way that is none, or a setting of
            ours is none.
    """
    file = Path(source) / "config.json"
    if file.is_file():
        try:
            check_ids(read_json(file))
        except (OSError, ValueError) as error:
            raise ModelError(f"model: {str(file)!r} can't be read: {brief(error)}") from None
    names_of(config)
    check_own(config)
    for option, usual in _PLAIN.items():
        if getattr(config, option, usual) != usual:
            setattr(config, option, usual)


def check_tensors(name: str, model: Any, report: Mapping[str, Any], *, needs_all: bool = False) -> None:
    """Refuse a file that is not the one of the configuration: parts would be random, or left out.

    Args:
        name: What the user calls the model.
        model: The model.
        report: What Transformers says of its loading.
        needs_all: Whether the head, too, must be there.

    Raises:
        ModelError: It is.
    """
    missing = sorted(report["missing_keys"])
    lacking = [key for key in missing if _is_of_encoder(model, key) and "pooler" not in key.split(".")]
    if lacking:
        raise ModelError(
            f"model: the file of {name!r} lacks {len(lacking)} parameters of the encoder, such as "
            f"{lacking[0]}; they would be random"
        )
    if needs_all and missing:
        raise ModelError(
            f"model: {name!r} is not trained for a task: its file lacks {', '.join(missing[:3])}"
        )
    others = sorted(one for one in report["mismatched_keys"] if needs_all or _is_of_encoder(model, one[0]))
    if others:
        key, held, wanted = others[0]
        raise ModelError(
            f"model: the config.json of {name!r} is not that of its weights: {len(others)} parameters have "
            f"another shape, such as {key}, {tuple(held)} in the file and {tuple(wanted)} by the "
            "configuration; they would be random"
        )
    unused = [
        key
        for key in sorted(report["unexpected_keys"])
        if _is_of_encoder(model, key) and "pooler" not in key.split(".") and not key.endswith(_BUFFERS)
    ]
    if unused:
        raise ModelError(
            f"model: the config.json of {name!r} is not that of its weights: the file holds {len(unused)} "
            f"parameters that the encoder does not have, such as {unused[0]}; they would be left out"
        )


def check_finite(name: str, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse weights that are no numbers.

    Raises:
        ModelError: One is NaN or infinite.
    """
    for key, tensor in tensors:
        # A sum is faster than a look at each; only one that overflowed needs a second look.
        if tensor.is_floating_point() and not tensor.is_meta and not bool(tensor.detach().sum().isfinite()):
            wrong = int((~torch.isfinite(tensor)).sum())
            if wrong:
                raise ModelError(
                    f"model: {wrong:,} of the {tensor.numel():,} values of {key} in {name!r} are NaN or "
                    "infinite, so its outputs are not finite"
                )


@contextmanager
def computing() -> Iterator[None]:
    """Turn whatever a model raises when it computes a batch into one clear error; not that memory is lacking.

    A configuration may ask for what only shows then: positions that there are none of, parts of a size that
    doesn't fit.

    Raises:
        ModelError: The model can't compute the batch.
    """
    try:
        yield
    except DeepcutsError:
        raise
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        if isinstance(error, torch.OutOfMemoryError) or refusal(error) is not None:
            raise
        raise ModelError(
            f"model: it can't compute a batch of texts ({brief(error)}); is its config.json that of its "
            "weights, and the tokenizer its own?"
        ) from error


def parameters_and_buffers(model: Any) -> Iterable[tuple[str, Tensor]]:
    """All tensors of a model by name."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _is_of_encoder(model: Any, key: str) -> bool:
    """Whether a name is one of the encoder's, with or without the prefix that models with a head have."""
    prefix = model.base_model_prefix
    if not prefix:
        return False
    parts = {name for name, _ in getattr(model, prefix, model).named_children()}
    return key.split(".")[0] in {prefix, *parts}
