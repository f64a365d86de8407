"""Settings and fixtures of all tests: one thread, examples of hypothesis, a tiny BERT."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from models import tiny, tiny_batches
from torch import Tensor
from transformers import PreTrainedModel

from deepcuts.common import plugins
from deepcuts.masks import allocations
from deepcuts.scoring import criteria, gradients, options, statistics
from deepcuts.tasks import named
from deepcuts.tasks.kinds import registry as kinds

# No deadline: a slow or loaded machine must not turn a test red. The same examples every time, but where
# fresh ones are asked for: DEEPCUTS_EXAMPLES=fresh.
_CALM = {
    "deadline": None,
    "database": None,
    "max_examples": 60,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("same", derandomize=True, **_CALM)
settings.register_profile("fresh", derandomize=False, print_blob=True, **_CALM)
settings.load_profile(os.environ.get("DEEPCUTS_EXAMPLES", "same"))
torch.set_num_threads(1)


#: Files that start processes, and wait for them.
_SLOW = ("tests/runs/grid/", "tests/scoring/test_distributed", "tests/scoring/test_compiled", "tests/cli/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files come first, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(_SLOW))


def pytest_collection_finish() -> None:
    """Take all that is imported by now out of what is searched for garbage.

    Every training ends with such a search, by Accelerate, and two million objects take longer than a tiny
    training does.
    """
    gc.collect()
    gc.freeze()


# What is measured on this machine in tests stays out of the user's cache folder; subprocesses see it too.
_cache = tempfile.TemporaryDirectory(prefix="deepcuts-tests-")
os.environ["DEEPCUTS_CACHE"] = _cache.name


@pytest.fixture
def bert() -> PreTrainedModel:
    """A tiny BertForSequenceClassification whose dropout is 0.1 in training mode; in evaluation mode."""
    return tiny("bert")


@pytest.fixture
def bert_without_dropout() -> PreTrainedModel:
    """The same model with every dropout probability 0."""
    return tiny("bert", dropout=0.0)


@pytest.fixture
def batches(bert: PreTrainedModel) -> list[dict[str, Tensor]]:
    """Three batches of four examples, padded."""
    return tiny_batches(bert)


@pytest.fixture
def registry() -> Iterator[None]:
    """Forgets the choices of scoring, their options and the allocations that a test registers."""
    registries: list[dict[str, Any]] = [
        criteria.REGISTRY,
        gradients.REGISTRY,
        statistics.REGISTRY,
        options._DECLARED,
        allocations.REGISTRY,
    ]
    before = [dict(one) for one in registries]
    yield
    for one, entries in zip(registries, before, strict=True):
        one.clear()
        one.update(entries)


@pytest.fixture
def no_plugins_after(registry: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forgets the plugins that a test loads, and what they register."""
    kinds.find_all()  # which loads what is there without the test
    monkeypatch.setenv(plugins.VARIABLE, "")
    for module, name in [(plugins, "_loaded"), (kinds, "_REGISTRY"), (named, "_REGISTRY")]:
        monkeypatch.setattr(module, name, dict(getattr(module, name)))
    from deepcuts.deploy.bench import ways
    from deepcuts.deploy.export import formats

    registries: list[dict[str, Any]] = [formats.REGISTRY, ways.REGISTRY]
    before = [dict(one) for one in registries]
    yield
    for one, entries in zip(registries, before, strict=True):
        one.clear()
        one.update(entries)
