from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from gradients import gradients
from models import tiny, tiny_batches
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from deepcuts import ScoringOptions, score
from deepcuts.common.errors import ScoringError
from deepcuts.scoring.passes import Batch, Gradients, model_loss


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


class _Checkpointed(nn.Module):
    """Two layers, the first behind reentrant checkpointing."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(checkpoint(self.first, x, use_reentrant=True)).square().sum()


@pytest.mark.parametrize("needs_gradient", [False, True])
@pytest.mark.parametrize("name", ["LayerMagGrad", "LayerSmoothGrad"])
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_gradients_that_reentrant_checkpointing_hides_are_no_zeros(name: str, needs_gradient: bool) -> None:
    batches = [{"x": torch.ones(2, 3, requires_grad=needs_gradient)}]

    def loss_fn(model: nn.Module, batch: Batch) -> Tensor:
        return model(batch["x"])  # type: ignore[no-any-return]

    with pytest.raises(ScoringError, match=r"use_reentrant") as caught:
        score(_Checkpointed(), batches, [name], loss_fn=loss_fn, prunable=["first.*", "last.weight"])
    assert needs_gradient or "'first.weight'" in str(caught.value)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_of_hugging_face_is_off_while_scoring_and_on_again(reentrant: bool) -> None:
    names = ["LayerGradCAM", "LayerSmoothGradCAM"]
    options = ScoringOptions(paths=2, dropout=True)
    model = tiny("bert").train()
    expected = score(model, tiny_batches(model), names, options=options)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    found = score(model, tiny_batches(model), names, options=options)
    assert model.is_gradient_checkpointing
    for name in names:
        assert all(torch.equal(found[name][tensor], value) for tensor, value in expected[name].items())
    with pytest.raises(KeyError):
        score(model, [{"labels": None}], names, loss_fn=lambda model, batch: batch["nothing"])
    assert model.is_gradient_checkpointing


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gradients_of_several_passes_are_summed_in_float32(dtype: torch.dtype) -> None:
    layer = nn.Linear(1, 1, bias=False).to(dtype)
    ours, found = Gradients({"w": layer.weight}), {}
    with ours.own():
        for _ in range(3):
            ours.add(layer(torch.full((1, 1), 1.0, dtype=dtype)).sum() * 1024)
        ours.stream(
            layer(torch.full((1, 1), 1.0, dtype=dtype)).sum(),
            lambda name, value, is_there: found.update({name: (value, is_there)}),
        )
        assert layer.weight.grad is None
    value, is_there = found["w"]
    assert is_there
    assert value.dtype is torch.float32
    assert value.item() == 3 * 1024 + 1  # float16 knows 3072 and 3074
