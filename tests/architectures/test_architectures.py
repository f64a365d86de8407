"""Fine-tune, score, cut and retrain one step of every known architecture."""

from __future__ import annotations

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor
from transformers import PreTrainedModel

from deepcuts import Budget, ScoringOptions, masked, prunable_parameters, rewind, score, select, snapshot
from deepcuts.architectures.parameters import ARCHITECTURES

STRATEGIES = ["LayerGradCAMShift", "LayerSmoothGrad", "GlobalMagGrad"]


def train_step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor]) -> None:
    optimizer.zero_grad()
    model(**batch).loss.backward()
    optimizer.step()


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_an_architecture_is_tuned_scored_cut_and_retrained(model_type: str) -> None:
    model = tiny(model_type)
    batches = tiny_batches(model)
    start = snapshot(model)
    train_step(model, torch.optim.AdamW(model.parameters(), lr=0.01), batches[0])
    found = score(model, batches, STRATEGIES, options=ScoringOptions(paths=2))
    sizes = {name: parameter.numel() for name, parameter in prunable_parameters(model).items()}
    total = sum(sizes.values())
    for name in STRATEGIES:
        assert {tensor: value.numel() for tensor, value in found[name].items()} == sizes
        masks = select(found[name], Budget.from_density(0.3))
        assert masks.kept == round(0.3 * total)
        rewind(model, start)
        before = {tensor: start.tensors[tensor][mask] for tensor, mask in masks.items()}
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        with masked(model, masks, optimizer):
            train_step(model, optimizer, batches[1])
        parameters = dict(model.named_parameters())
        for tensor, mask in masks.items():
            assert not parameters[tensor][~mask].any(), f"{name}: {tensor}"
        trained = [bool((parameters[tensor][mask] != before[tensor]).any()) for tensor, mask in masks.items()]
        assert sum(trained) > len(trained) / 2, f"{name}: nothing was retrained"
