"""Mean outputs in scores: shared layers, padding and other tokens that are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from models import LENGTH, tiny, tiny_batches
from scored import QUICK, Batches, close, same
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts import ScoringOptions, score
from deepcuts.common.errors import InputError


def test_activation_scores_need_a_linear_layer() -> None:
    model = nn.Sequential(nn.Conv1d(2, 2, 1), nn.Linear(3, 1))
    batches = [{"x": torch.ones(1, 2, 3)}]

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        return model(batch["x"]).sum()

    with pytest.raises(InputError, match=r"0\.weight.*nn\.Linear, not of Conv1d"):
        score(model, batches, ["LayerGradCAM"], loss_fn=loss, prunable=["0.*"])
    found = score(model, batches, ["LayerMagGrad"], loss_fn=loss, prunable=["0.*"])["LayerMagGrad"]
    assert found["0.weight"].shape == (2, 2, 1)


def test_activations_of_albert_are_over_all_calls_of_the_shared_layer() -> None:
    model = tiny("albert", num_hidden_layers=3)
    batch = tiny_batches(model)[0]
    name = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn"
    layer = model.get_submodule(name)
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _m, _i, output: outputs.append(output))
    model(**batch).loss.backward()
    hook.remove()
    assert len(outputs) == 3
    real = batch["attention_mask"].bool()
    mean = torch.stack([output.detach()[real].mean(0) for output in outputs]).mean(0)
    gradient = layer.weight.grad  # the sum over the three calls
    found = score(model, [batch], ["LayerGradCAM", "LayerMagGrad"])
    key = f"{name}.weight"
    expected = (layer.weight * gradient).abs().detach()
    torch.testing.assert_close(found["LayerMagGrad"][key], expected, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(
        found["LayerGradCAM"][key], expected * mean[:, None].abs(), rtol=1e-3, atol=1e-7
    )
    assert [n for n in found["LayerGradCAM"] if n.endswith("ffn.weight")] == [key]


@pytest.mark.parametrize("padding", [False, True])
def test_activations_of_deberta_leave_out_the_table_of_relative_positions(padding: bool) -> None:
    model = tiny("deberta-v2")
    batch = tiny_batches(model)[0]
    name = "deberta.encoder.layer.0.attention.self.key_proj"
    layer = model.get_submodule(name)
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _m, _i, output: outputs.append(output.detach()))
    model(**batch).loss.backward()
    hook.remove()
    mask = batch["attention_mask"].bool()
    of_tokens = [output for output in outputs if output.shape[:2] == mask.shape]
    assert 1 == len(of_tokens) < len(outputs)
    real = torch.ones_like(mask) if padding else mask
    mean = of_tokens[0][real].mean(0)
    options = ScoringOptions(padding=padding)
    found = score(model, [batch], ["LayerGradCAM"], options=options)["LayerGradCAM"]
    expected = (layer.weight * layer.weight.grad).abs().detach() * mean[:, None].abs()
    torch.testing.assert_close(found[f"{name}.weight"], expected, rtol=1e-3, atol=1e-8)


def test_padding_tokens_have_no_say_unless_asked(bert: PreTrainedModel) -> None:
    """The model ignores what stands in the padding; the mean activation sees it only with `padding`."""
    batches = tiny_batches(bert)
    other = [
        {**batch, "input_ids": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, 7)}
        for batch in batches
    ]
    name = "LayerGradCAM"
    for padding in (False, True):
        options = ScoringOptions(padding=padding)
        first, second = (score(bert, given, [name], options=options)[name] for given in (batches, other))
        assert close(first, second) is not padding


def test_padding_option_changes_activation_scores_alone(bert: PreTrainedModel, batches: Batches) -> None:
    names = ["LayerMagGrad", "LayerGradCAM"]
    without, with_padding = (
        score(bert, batches, names, options=ScoringOptions(padding=padding)) for padding in (False, True)
    )
    assert same(without["LayerMagGrad"], with_padding["LayerMagGrad"])
    assert not close(without["LayerGradCAM"], with_padding["LayerGradCAM"])


def test_activations_of_smooth_scores_come_from_a_clean_pass(bert: PreTrainedModel, batches: Batches) -> None:
    """So the ratio of two smooth scores is the ratio of the plain ones, |a + λ| per row."""
    options = ScoringOptions(paths=2, noise_std=1.0)
    names = ["LayerMagGrad", "LayerGradCAMShift", "LayerSmoothGrad", "LayerSmoothGradCAMShift"]
    grad, shift, smooth_grad, smooth_shift = score(bert, batches[:1], names, options=options).values()
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    torch.testing.assert_close(
        smooth_shift[name] / smooth_grad[name], shift[name] / grad[name], rtol=1e-3, atol=1e-6
    )


def test_an_attention_mask_for_each_token_counts_as_the_one_of_tokens(
    bert: PreTrainedModel, batches: Batches
) -> None:
    names = ["LayerGradCAM", "LayerSmoothGradCAM"]
    expected = score(bert, batches, names, options=QUICK)
    wide = [
        {**batch, "attention_mask": batch["attention_mask"][:, None, None].bool().expand(-1, 1, LENGTH, -1)}
        for batch in batches
    ]
    found = score(bert, wide, names, options=QUICK)
    assert all(close(found[name], expected[name]) for name in names)


def test_a_weight_that_two_layers_share_is_scored_by_the_outputs_of_both() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    x = torch.randn(5, 3)
    first = model[0](x)
    second = model(x)
    loss = second.square().sum()
    (gradient,) = torch.autograd.grad(loss, [model[0].weight])
    mean = torch.cat([first, second]).mean(0)[:, None]
    found = score(
        model,
        [{"x": x}],
        ["LayerGradCAM"],
        loss_fn=lambda model, batch: model(batch["x"]).square().sum(),
        prunable=["0.*", "2.bias"],
    )["LayerGradCAM"]
    torch.testing.assert_close(found["0.weight"], (model[0].weight * gradient * mean).abs().detach())
    (of_bias,) = torch.autograd.grad(model(x).square().sum(), [model[2].bias])
    torch.testing.assert_close(found["2.bias"], (model[2].bias * of_bias * second.mean(0)).abs().detach())
