from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from gradients import gradients
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts.architectures.parameters import linear_layers, prunable_parameters
from deepcuts.common.errors import ScoringError
from deepcuts.scoring.passes import activation_means, model_loss


def identity(width: int = 2) -> nn.Linear:
    layer = nn.Linear(width, width, bias=False)
    nn.init.eye_(layer.weight)
    return layer


def test_mean_is_over_all_leading_axes() -> None:
    layer = identity()
    with activation_means([layer]) as means:
        layer(torch.tensor([[[1.0, 10.0], [2.0, 20.0]], [[3.0, 30.0], [6.0, 60.0]]]))
    assert means.mean(layer).tolist() == [3, 30]


def test_masked_tokens_do_not_count() -> None:
    layer = identity()
    mask = torch.tensor([[1, 0], [1, 1]])
    with activation_means([layer], mask) as means:
        layer(torch.tensor([[[1.0, 10.0], [200.0, 200.0]], [[3.0, 30.0], [8.0, 80.0]]]))
    assert means.mean(layer).tolist() == [4, 40]


def test_an_output_without_a_token_axis_is_averaged_over_the_batch() -> None:
    layer = identity()
    mask = torch.tensor([[1, 0], [1, 1]])
    with activation_means([layer], mask) as means:
        layer(torch.tensor([[1.0, 10.0], [3.0, 30.0]]))  # as the pooler's: (batch, hidden)
    assert means.mean(layer).tolist() == [2, 20]


def test_all_calls_of_a_layer_count_by_their_tokens() -> None:
    layer = identity()
    mask = torch.tensor([[1, 0]])
    with activation_means([layer], mask) as means:
        layer(torch.tensor([[[1.0, 1.0], [9.0, 9.0]]]))
        layer(torch.tensor([[[4.0, 6.0], [9.0, 9.0]]]))
    assert means.mean(layer).tolist() == [2.5, 3.5]


@pytest.mark.parametrize("table_first", [True, False])
def test_a_call_that_sees_no_tokens_does_not_count_beside_one_that_does(table_first: bool) -> None:
    layer = identity()
    table = torch.full((1, 5, 2), 100.0)  # as DeBERTa's table of relative positions
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    with activation_means([layer], torch.ones(1, 2)) as means:
        for values in (table, tokens) if table_first else (tokens, table):
            layer(values)
    assert means.mean(layer).tolist() == [2, 3]


def test_a_layer_that_sees_no_tokens_at_all_has_the_mean_of_what_it_saw() -> None:
    layer = identity()
    with activation_means([layer], torch.ones(1, 2)) as means:
        layer(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]]))
    assert means.mean(layer).tolist() == [3, 2]


def test_the_mean_is_of_the_output_before_hooks_that_were_there() -> None:
    """A head that bounds its output does so by a hook; the score is of the linear layer's own output."""
    layer = identity()
    layer.register_forward_hook(lambda _module, _inputs, output: output * 0)
    with activation_means([layer]) as means:
        assert layer(torch.tensor([[1.0, 2.0]])).tolist() == [[0, 0]]
    assert means.mean(layer).tolist() == [1, 2]


def test_a_layer_that_did_not_run_has_no_mean() -> None:
    layer = identity()
    with activation_means([layer]) as means:
        pass
    with pytest.raises(ScoringError, match="took no part in the forward pass"):
        means.mean(layer)


def test_a_layer_named_twice_is_watched_once() -> None:
    layer = identity()
    with activation_means([layer, layer]) as means:
        assert len(layer._forward_hooks) == 1
        layer(torch.tensor([[1.0, 2.0]]))
    assert means.mean(layer).tolist() == [1, 2]


def test_hooks_are_gone_afterwards_and_those_of_others_stay() -> None:
    layer = identity()
    theirs = layer.register_forward_hook(lambda _module, _inputs, output: output)
    with pytest.raises(KeyError), activation_means([layer]):
        raise KeyError
    assert list(layer._forward_hooks) == [theirs.id]


def test_half_precision_outputs_are_summed_in_float32() -> None:
    layer = identity().to(torch.bfloat16)
    with activation_means([layer]) as means:
        layer(torch.full((1000, 2), 1.0, dtype=torch.bfloat16))  # a bfloat16 sum would stop at 256
    assert means.mean(layer).dtype is torch.float32
    assert means.mean(layer).tolist() == [1, 1]


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


def test_deberta_projects_its_table_of_positions_with_watched_layers() -> None:
    """What the rule about calls without tokens is for is still so in the installed transformers."""
    model = tiny("deberta-v2")
    layers = linear_layers(model, list(prunable_parameters(model)))
    query = layers["deberta.encoder.layer.0.attention.self.query_proj.weight"]
    shapes = []
    hook = query.register_forward_hook(lambda _m, _i, output: shapes.append(tuple(output.shape[:-1])))
    batch = tiny_batches(model)[0]
    with torch.no_grad():
        model(**batch)
    hook.remove()
    tokens = tuple(batch["input_ids"].shape)
    assert tokens in shapes
    assert [shape for shape in shapes if shape != tokens]
