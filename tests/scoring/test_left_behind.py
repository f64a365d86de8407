"""Scoring leaves nothing behind: modes, gradients, hooks, random states and memory are what they were."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scored import EVERY, NOT_READ, QUICK, Batches, same
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts import ScoringOptions, score
from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import ScoringError


def state_of(model: PreTrainedModel) -> dict[str, Any]:
    """Everything about a model and the process that scoring must leave as it was."""
    return {
        "tensors": tensors_digest([*model.named_parameters(), *model.named_buffers()]),
        "modes": {name: module.training for name, module in model.named_modules()},
        "gradients": {
            name: None if parameter.grad is None else (id(parameter.grad), parameter.grad.tolist())
            for name, parameter in model.named_parameters()
        },
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "hooks": {
            name: [
                list(hooks)
                for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
            ]
            for name, module in model.named_modules()
        },
        "tensor hooks": {name: p._backward_hooks for name, p in model.named_parameters()},
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
    }


@pytest.fixture
def in_use(bert: PreTrainedModel) -> PreTrainedModel:
    """A model in the middle of something: mixed modes, some gradients, a hook of someone else's."""
    bert.train()
    bert.bert.encoder.layer[0].eval()
    bert.bert.encoder.layer[1].attention.eval()
    bert.bert.pooler.dense.weight.grad = torch.full_like(bert.bert.pooler.dense.weight, 3.0)
    bert.classifier.bias.grad = torch.full_like(bert.classifier.bias, -1.0)
    bert.bert.pooler.dense.register_forward_hook(lambda _module, _inputs, output: None)
    return bert


@pytest.mark.parametrize("dropout", [False, True])
def test_nothing_is_left_behind_after_success(
    in_use: PreTrainedModel, batches: Batches, dropout: bool
) -> None:
    before = state_of(in_use)
    copies = [{name: value.clone() for name, value in batch.items()} for batch in batches]
    score(in_use, batches, EVERY, options=ScoringOptions(paths=2, dropout=dropout))
    assert state_of(in_use) == before
    for batch, copy in zip(batches, copies, strict=True):
        assert all(torch.equal(batch[name], copy[name]) for name in copy)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("at", [0, 1, 4, 5])  # calls 0 and 3 are clean passes, the others noisy ones
def test_nothing_is_left_behind_after_a_loss_function_raised(
    in_use: PreTrainedModel, batches: Batches, at: int, dropout: bool
) -> None:
    before = state_of(in_use)
    calls = 0

    def failing(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        nonlocal calls
        calls += 1
        loss = model(**batch).loss
        if calls == at + 1:
            raise KeyError("of the loss function")
        return loss

    options = ScoringOptions(paths=2, dropout=dropout)
    with pytest.raises(KeyError, match="of the loss function"):
        score(in_use, batches, EVERY, loss_fn=failing, options=options)
    assert calls == at + 1
    assert state_of(in_use) == before


def test_nothing_is_left_behind_after_the_models_forward_raised(
    in_use: PreTrainedModel, batches: Batches
) -> None:
    before = state_of(in_use)
    batches[1]["input_ids"] = batches[1]["input_ids"] + 10_000  # out of the vocabulary
    with pytest.raises(IndexError):
        score(in_use, batches, EVERY, options=QUICK)
    assert state_of(in_use) == before


def test_nothing_is_left_behind_after_the_batches_raised(in_use: PreTrainedModel, batches: Batches) -> None:
    def broken() -> Iterator[dict[str, Tensor]]:
        yield batches[0]
        raise OSError("of the data")

    before = state_of(in_use)
    with pytest.raises(OSError, match="of the data"):
        score(in_use, broken(), EVERY, options=QUICK)
    assert state_of(in_use) == before


def test_nothing_is_left_behind_after_a_bad_loss(in_use: PreTrainedModel, batches: Batches) -> None:
    before = state_of(in_use)
    with pytest.raises(ScoringError):
        score(in_use, batches, EVERY, loss_fn=lambda m, b: m(**b).loss * torch.nan, options=QUICK)
    assert state_of(in_use) == before


def test_scores_share_no_memory_with_the_model(bert: PreTrainedModel) -> None:
    before = tensors_digest(bert.named_parameters())
    for value in score(bert, NOT_READ, ["LayerMagWeight"])["LayerMagWeight"].values():
        value.zero_()
    assert tensors_digest(bert.named_parameters()) == before


def test_scores_carry_no_graph(bert: PreTrainedModel, batches: Batches) -> None:
    for scores in score(bert, batches, EVERY, options=QUICK).values():
        assert not any(value.requires_grad for value in scores.values())


def test_the_grad_mode_of_the_caller_does_not_matter(bert: PreTrainedModel, batches: Batches) -> None:
    names = ["LayerMagGrad", "LayerSmoothGradCAM"]
    expected = score(bert, batches, names, options=QUICK)
    with torch.no_grad():
        found = score(bert, batches, names, options=QUICK)
        assert not torch.is_grad_enabled()
    assert all(same(found[name], expected[name]) for name in names)
