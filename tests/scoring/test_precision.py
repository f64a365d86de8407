"""Products and sums are float32 whatever the model's type; autocast touches the passes alone."""

from __future__ import annotations

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts import ParamStats, ScoringOptions, criterion, prunable_parameters, score
from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.noise import noisy_linear_layers

HALVES = [torch.float16, torch.bfloat16]
PATHS = 3


def gradients(model: nn.Module, batch: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    model.zero_grad()
    (model(**batch).loss * scale).backward()
    return {name: parameter.grad.double() for name, parameter in prunable_parameters(model).items()}


def mean_gradients(model: nn.Module, batch: dict[str, Tensor], index: int, scale: float) -> dict[str, Tensor]:
    passes = []
    for path in range(PATHS):
        seed = derive_seed(derive_seed(0, "batch", index), "path", path)
        with noisy_linear_layers(model, 0.1, seed):
            passes.append(gradients(model, batch, scale))
    return {name: torch.stack([one[name] for one in passes]).mean(0) for name in passes[0]}


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_scores_of_a_model_in_half_precision_are_products_and_sums_in_float32(dtype: torch.dtype) -> None:
    model = tiny("bert").to(dtype)
    batches = tiny_batches(model)
    scale = 2.0**-6  # in float16, a fiftieth of the products would come out as 0
    names = ["LayerMagGrad", "LayerSmoothGrad", "LayerMagWeight"]
    found = score(
        model,
        batches,
        names,
        loss_fn=lambda model, batch: model(**batch).loss * scale,
        options=ScoringOptions(paths=PATHS),
    )
    plain = [gradients(model, batch, scale) for batch in batches]
    smooth = [mean_gradients(model, batch, index, scale) for index, batch in enumerate(batches)]
    for name, parameter in prunable_parameters(model).items():
        weight = parameter.detach().double()
        expected = {
            "LayerMagGrad": torch.stack([(weight * one[name]).abs() for one in plain]).sum(0),
            "LayerSmoothGrad": torch.stack([(weight * one[name]).abs() for one in smooth]).sum(0),
            "LayerMagWeight": weight.abs(),
        }
        for key in names:
            assert found[key][name].dtype is torch.float32
            value = found[key][name].double()
            torch.testing.assert_close(value, expected[key], rtol=1e-5, atol=1e-12, msg=f"{key} {name}")


def output_under_autocast(model: nn.Module, batch: dict[str, Tensor], name: str) -> Tensor:
    seen: list[Tensor] = []
    hook = model.get_submodule(name).register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        model(**batch)
    hook.remove()
    return seen[0]


def test_activations_under_autocast_are_the_float32_means_of_what_layers_put_out() -> None:
    model = tiny("bert", dropout=0.0)
    (batch,) = tiny_batches(model, count=1)
    options = ScoringOptions(precision="bf16")
    found = score(model, [batch], ["LayerMagGrad", "LayerGradCAM"], options=options)
    real = batch["attention_mask"].bool()
    for name in ("bert.encoder.layer.0.output.dense", "bert.encoder.layer.1.intermediate.dense"):
        output = output_under_autocast(model, batch, name)
        assert output.dtype is torch.bfloat16
        mean = output[real].double().mean(0)[:, None]
        taylor = found["LayerMagGrad"][f"{name}.weight"].double()
        torch.testing.assert_close(
            found["LayerGradCAM"][f"{name}.weight"].double(), taylor * mean.abs(), rtol=1e-5, atol=1e-9
        )


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_formulas_see_weights_and_gradients_in_float32(dtype: torch.dtype) -> None:
    @criterion("Squared", needs=["gradient"], formula="w² · g²", source="a test")
    def squared(stats: ParamStats, options: ScoringOptions) -> Tensor:
        return stats.value.square() * stats["gradient"].square()

    model = tiny("bert").to(dtype)
    (batch,) = tiny_batches(model, count=1)
    found = score(model, [batch], ["LayerSquared"])["LayerSquared"]
    for name, gradient in gradients(model, batch, 1.0).items():
        weight = model.get_parameter(name).detach().double()
        torch.testing.assert_close(found[name].double(), (weight * gradient) ** 2, rtol=1e-5, atol=1e-14)
