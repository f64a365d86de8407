"""Models and tokenizers, checked, and loaded in the form that the pipeline needs."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepcuts.common.errors import InputError, ModelError, brief
from deepcuts.common.hub import hub_problem
from deepcuts.common.seeds import derive_seed
from deepcuts.models.names import resolve_model
from deepcuts.models.purpose import complete, model_class, prepare_config
from deepcuts.tasks import Task, kind_of


def load_for_task(
    name: str, task: Task, seed: int, *, trust_remote_code: bool = False
) -> tuple[nn.Module, Any]:
    """A pretrained encoder with a fresh head for the task, in float32, and its tokenizer.

    Args:
        name: See `resolve_model`.
        task: Its kind says which class of model is loaded, how many outputs the head has and which loss; the
            task, their bounds.
        seed: Seed of the head's values.
        trust_remote_code: Whether code that comes with the model may run.

    Raises:
        ModelError: The model can't be found or loaded, or its file lacks a part of the encoder.
    """
    from transformers import AutoConfig

    source = resolve_model(name)
    with _loading(name, source) as where:
        config = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code, **where)
        prepare_config(config, task)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "head"))
            model, report = (
                kind_of(task)
                .model_class()
                .from_pretrained(
                    source,
                    config=config,
                    trust_remote_code=trust_remote_code,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # a head of another task goes
                    **_SAFE,
                    **where,
                )
            )
    _check_encoder(name, model, report)
    _make_plain(model)
    complete(model)
    return model, load_tokenizer(name, trust_remote_code=trust_remote_code)


def load_finetuned(
    name: str, *, trust_remote_code: bool = False, dtype: torch.dtype | str = torch.float32
) -> tuple[nn.Module, Any]:
    """A model with its trained head, as a run saves it or from elsewhere, and its tokenizer.

    Args:
        name: See `resolve_model`.
        trust_remote_code: Whether code that comes with the model may run.
        dtype: Type of the weights in memory; ``"auto"`` for that of the file.

    Raises:
        ModelError: The model can't be found or loaded, or has no trained head.
    """
    model = load_trained(name, trust_remote_code=trust_remote_code, dtype=dtype)
    return model, load_tokenizer(name, trust_remote_code=trust_remote_code)


def load_trained(
    name: str, *, trust_remote_code: bool = False, dtype: torch.dtype | str = torch.float32
) -> nn.Module:
    """What `load_finetuned` gives, without the tokenizer."""
    source = resolve_model(name)
    with _loading(name, source) as where:
        model, report = _model_class(source, trust_remote_code, where).from_pretrained(
            source,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            **{**_SAFE, "dtype": dtype},
            **where,
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"model: {name!r} is not trained for a task: its file lacks {', '.join(missing[:3])}"
        )
    _make_plain(model)
    complete(model)
    trained: nn.Module = model
    return trained


def load_encoder(name: str, *, trust_remote_code: bool = False) -> nn.Module:
    """A saved model for its weights alone, whether its head is trained or not.

    Raises:
        ModelError: The model can't be found or loaded.
    """
    source = resolve_model(name)
    with _loading(name, source) as where:
        model: nn.Module = _model_class(source, trust_remote_code, where).from_pretrained(
            source, trust_remote_code=trust_remote_code, **_SAFE, **where
        )
    _make_plain(model)
    return model


def load_tokenizer(name: str, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model.

    Raises:
        ModelError: There is none, or it can't be loaded.
    """
    from transformers import AutoTokenizer

    source = resolve_model(name)
    with _loading(name, source) as where:
        return AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code, **where)


# Only safetensors: a pickle of a stranger's could run anything. float32, whatever the file holds, because
# training and scores need it.
_SAFE = {"use_safetensors": True, "dtype": torch.float32}


def _model_class(source: str, trust_remote_code: bool, where: dict[str, Any]) -> Any:
    """The class that loads a saved model."""
    from transformers import AutoConfig

    return model_class(AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code, **where))


@contextlib.contextmanager
def _loading(name: str, source: str) -> Iterator[dict[str, Any]]:
    """Turn whatever a loader raises into one clear error, and keep its chatter quiet.

    Yields the arguments that keep it to the cache where the Hub can't be asked.
    """
    from transformers.utils import logging

    # The sparse format is loaded like any other.
    importlib.import_module("deepcuts.models.transformers_plugin")
    problem = None if Path(source).is_dir() else hub_problem(source, "model")

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield {"local_files_only": problem is not None}
    except InputError:  # of a kind of task that is not known here
        raise
    # The loaders raise nearly everything: OSError, ValueError, KeyError, errors of safetensors and httpx.
    except Exception as error:
        reason = f"{problem}, and it is not in the cache" if problem else brief(error)
        if "trust_remote_code" in str(error):
            reason = "it brings code of its own, which runs only with --trust-remote-code"
        raise ModelError(
            f"model: {name!r} could not be loaded: {reason}. Allowed are a folder with a saved model "
            "(safetensors), or a name on the Hub, which needs a network or a cached copy"
        ) from error
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _make_plain(model: Any) -> None:
    """Let a model of the sparse format be saved dense again: what a pipeline makes of it is another model."""
    from deepcuts.models.transformers_plugin import make_plain

    make_plain(model)


def _check_encoder(name: str, model: Any, report: dict[str, Any]) -> None:
    """Refuse a file that lacks encoder weights: they would be random, which only a warning would say."""
    prefix = f"{model.base_model_prefix}."
    lacking = sorted(
        key for key in report["missing_keys"] if key.startswith(prefix) and "pooler" not in key.split(".")
    )
    if lacking:
        raise ModelError(
            f"model: the file of {name!r} lacks {len(lacking)} parameters of the encoder, such as "
            f"{lacking[0]}; they would be random"
        )
