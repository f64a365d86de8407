"""A criterion that is one file outside of the package: by its name, and with everything a name is made of."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from deepcuts import prunable_parameters, score, strategy_names


@pytest.fixture
def _registered(registry: None) -> None:
    sys.modules.pop("seams.squared_gradient", None)
    importlib.import_module("seams.squared_gradient")


@pytest.mark.usefixtures("_registered")
def test_a_criterion_from_outside_is_scored_by_its_name(
    bert: PreTrainedModel, batches: list[dict[str, Tensor]]
) -> None:
    names = ["LayerSquaredGrad", "GlobalSquaredGrad", "LayerSmoothSquaredGrad"]
    assert set(names) < set(strategy_names())
    found = score(bert, batches, [*names, "InvertedLayerSquaredGrad"])
    expected = {name: torch.zeros_like(value) for name, value in prunable_parameters(bert).items()}
    for batch in batches:
        bert.zero_grad()
        bert(**batch).loss.backward()
        for name, value in prunable_parameters(bert).items():
            expected[name] += (value.detach() * value.grad) ** 2
    for name, value in expected.items():
        torch.testing.assert_close(found["LayerSquaredGrad"][name], value, rtol=1e-4, atol=1e-12)
        assert torch.equal(found["InvertedLayerSquaredGrad"][name], -found["LayerSquaredGrad"][name])
    assert not torch.equal(found["LayerSmoothSquaredGrad"][name], found["LayerSquaredGrad"][name])
