"""Models and tokenizers, checked, and loaded in the form that the pipeline needs."""

from __future__ import annotations

import contextlib
import copy
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepcuts.common.errors import InputError, ModelError, brief
from deepcuts.common.hub import hub_problem
from deepcuts.common.seeds import derive_seed
from deepcuts.models.checks import check_config, check_finite, check_tensors, parameters_and_buffers
from deepcuts.models.former_head import KEPT, OF_FILE, settle_head
from deepcuts.models.names import resolve_model
from deepcuts.models.purpose import complete, model_class, prepare_config
from deepcuts.models.tokenizers import fit_tokenizer
from deepcuts.tasks import Task, kind_of


def load_for_task(
    name: str,
    task: Task,
    seed: int,
    *,
    head: str = KEPT,
    trained: bool = False,
    trust_remote_code: bool = False,
    notes: list[str] | None = None,
) -> tuple[nn.Module, Any]:
    """A pretrained encoder with a head for the task, in float32, and its tokenizer.

    The head is fresh, unless the file holds one that was trained for the same: see
    `deepcuts.models.former_head`.

    Args:
        name: See `resolve_model`.
        task: Its kind says which class of model is loaded, how many outputs the head has and which loss; the
            task, their bounds.
        seed: Seed of the head's values.
        head: ``"kept"``, or ``"new"`` for a fresh one in any case.
        trained: Whether the file must hold a trained head.
        trust_remote_code: Whether code that comes with the model may run.
        notes: Gets what was guessed or found on the way, a sentence each.

    Raises:
        ModelError: The model can't be found or loaded; its file is not the one of its configuration, or holds
            what is no number; or its head was trained for other classes.
    """
    source = resolve_model(name)
    with _loading(name, source) as where:
        config = _read_config(name, source, trust_remote_code, where)
        former = copy.deepcopy(config)
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
            check_tensors(name, model, report)
            found = settle_head(model, config, former, task, report, head)
            if trained and found[0] != OF_FILE:
                raise ModelError(f"model: {name!r} starts fine-tuned, but {found[0]}")
    check_finite(name, parameters_and_buffers(model))
    if any("pooler" in key.split(".") for key in report["missing_keys"]):
        found.append("the pooler is new, as the file has none")
    _make_plain(model)
    complete(model)
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code)
    found.extend(fit_tokenizer(name, tokenizer, model))
    if notes is not None:
        notes.extend(found)
    return model, tokenizer


def load_finetuned(
    name: str, *, trust_remote_code: bool = False, dtype: torch.dtype | str = torch.float32
) -> tuple[nn.Module, Any]:
    """A model with its trained head, as a run saves it or from elsewhere, and its tokenizer.

    Args:
        name: See `resolve_model`.
        trust_remote_code: Whether code that comes with the model may run.
        dtype: Type of the weights in memory; ``"auto"`` for that of the file.

    Raises:
        ModelError: The model can't be found or loaded, has no trained head, or its file is not the one of its
            configuration, or holds what is no number.
    """
    model = load_trained(name, trust_remote_code=trust_remote_code, dtype=dtype)
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code)
    fit_tokenizer(name, tokenizer, model)
    return model, tokenizer


def load_trained(
    name: str, *, trust_remote_code: bool = False, dtype: torch.dtype | str = torch.float32
) -> nn.Module:
    """What `load_finetuned` gives, without the tokenizer."""
    source = resolve_model(name)
    model, report = _load(name, source, trust_remote_code, dtype)
    check_tensors(name, model, report, needs_all=True)
    check_finite(name, parameters_and_buffers(model))
    _make_plain(model)
    complete(model)
    trained: nn.Module = model
    return trained


def load_encoder(name: str, *, trust_remote_code: bool = False) -> nn.Module:
    """A saved model for its weights alone, whether its head is trained or not.

    Raises:
        ModelError: The model can't be found or loaded, or its file is not the one of its configuration.
    """
    loaded, report = _load(name, resolve_model(name), trust_remote_code, torch.float32)
    check_tensors(name, loaded, report)
    _make_plain(loaded)
    model: nn.Module = loaded
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


def _load(
    name: str, source: str, trust_remote_code: bool, dtype: torch.dtype | str
) -> tuple[Any, dict[str, Any]]:
    """A saved model as it is, and what Transformers says of its loading."""
    with _loading(name, source) as where:
        config = _read_config(name, source, trust_remote_code, where)
        found: tuple[Any, dict[str, Any]] = model_class(config).from_pretrained(
            source,
            config=config,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # named by `check_tensors`
            **{**_SAFE, "dtype": dtype},
            **where,
        )
    return found


def _read_config(name: str, source: str, trust_remote_code: bool, where: dict[str, Any]) -> Any:
    """The configuration of a saved model, checked."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code, **where)
    check_config(name, source, config)
    return config


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
    except (InputError, ModelError):  # of a kind of task that is not known here, or of what was checked
        raise
    # The loaders raise nearly everything: OSError, ValueError, KeyError, errors of safetensors and httpx.
    except Exception as error:
        reason = f"{problem}, and it is not in the cache" if problem else brief(error)
        if _has_only_pickles(Path(source)) or "no file named model.safetensors" in str(error):
            reason = _CONVERT.format(source)
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


def _has_only_pickles(folder: Path) -> bool:
    return any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors"))


_CONVERT = (
    "it has no model.safetensors; a pytorch_model.bin is a pickle, which can run a stranger's code, and is "
    "never opened here. If you trust it, convert it once, in Python: from transformers import "
    "AutoModelForSequenceClassification as Model; Model.from_pretrained({!r}, use_safetensors=False)"
    ".save_pretrained('NEW'), and copy the tokenizer's files beside it"
)
