"""Wrapped models are looked through: masks, scores and snapshots have plain names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import deepcuts
from deepcuts.common.wrapped import unwrapped


@pytest.mark.parametrize(
    "wrap", [torch.compile, nn.DataParallel, lambda model: torch.compile(nn.DataParallel(model))]
)
def test_scores_masks_and_snapshots_of_a_wrapped_model_are_the_models(
    bert: PreTrainedModel, batches: list[dict[str, Tensor]], wrap: Callable[[Any], Any]
) -> None:
    wrapped = wrap(bert)
    assert unwrapped(wrapped) is bert
    assert unwrapped(bert) is bert
    scores = deepcuts.score(wrapped, batches, ["LayerMagGrad"])["LayerMagGrad"]
    assert scores == deepcuts.score(bert, batches, ["LayerMagGrad"])["LayerMagGrad"]
    assert deepcuts.prunable_parameters(wrapped).keys() == scores.keys()
    assert deepcuts.protected_parameters(wrapped).keys().isdisjoint(scores.keys())
    assert deepcuts.snapshot(wrapped).tensors.keys() == deepcuts.snapshot(bert).tensors.keys()
    masks = deepcuts.select(scores, deepcuts.Budget.from_density(0.5))
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.1)
    with deepcuts.masked(wrapped, masks, optimizer):
        bert(**batches[0]).loss.backward()
        optimizer.step()
    deepcuts.verify_masks(bert, masks)
    deepcuts.verify_masks(wrapped, masks)


def test_an_encoder_inside_another_module_is_found(bert: PreTrainedModel) -> None:
    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ModuleDict({"body": bert.bert})
            self.encoder = nn.Linear(16, 16)  # no part of the model of a known architecture

    own = deepcuts.prunable_parameters(bert)
    found = deepcuts.prunable_parameters(Mine())
    assert [name.removeprefix("inner.body.") for name in found] == [name[5:] for name in own]
