from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from gradients import gradients
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts.common.errors import ScoringError
from deepcuts.scoring.passes import model_loss


def test_gradients_are_those_of_backward_and_leave_grad_alone() -> None:
    model = tiny("bert")
    batch = tiny_batches(model)[0]
    parameters = dict(model.named_parameters())
    kept = torch.full_like(model.classifier.bias, 7.0)
    model.classifier.bias.grad = kept
    found = gradients(model_loss(model, batch), parameters)
    assert model.classifier.bias.grad is kept
    assert kept.tolist() == [7, 7]
    assert all(p.grad is None for name, p in parameters.items() if name != "classifier.bias")
    model.zero_grad()
    model(**batch).loss.backward()
    for name, parameter in parameters.items():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-5, atol=1e-8)


def test_the_gradient_of_an_unused_parameter_is_zero() -> None:
    used, unused = nn.Linear(2, 1), nn.Linear(2, 3)
    found = gradients(used(torch.ones(1, 2)).sum(), {"used": used.weight, "unused": unused.weight})
    assert found["used"].tolist() == [[1, 1]]
    assert torch.equal(found["unused"], torch.zeros(3, 2))


def test_a_frozen_parameter_is_named() -> None:
    layer = nn.Linear(2, 1)
    layer.bias.requires_grad_(False)
    with pytest.raises(ScoringError, match=r"'the\.bias' is frozen"):
        gradients(layer(torch.ones(1, 2)).sum(), {"the.weight": layer.weight, "the.bias": layer.bias})


def test_a_batch_without_labels_is_refused_with_what_it_has() -> None:
    model = tiny("bert")
    batch = tiny_batches(model)[0]
    del batch["labels"]
    with pytest.raises(ScoringError, match=r"holds no 'labels'.*'input_ids', 'attention_mask'"):
        model_loss(model, batch)


@pytest.mark.parametrize("output", [SimpleNamespace(loss=None), SimpleNamespace(), torch.ones(2)])
def test_a_model_that_returns_no_loss_is_refused(output: object) -> None:
    class Lossless(nn.Module):
        def forward(self, labels: Tensor) -> object:
            return output

    with pytest.raises(ScoringError, match="Lossless returned no loss"):
        model_loss(Lossless(), {"labels": torch.ones(1)})
