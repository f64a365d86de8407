from __future__ import annotations

import math

import pytest
import torch
from gradients import gradients, smooth_gradients
from models import tiny, tiny_batches
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from deepcuts import ScoreRequest, ScoringOptions, Strategy, prunable_parameters, score
from deepcuts.common.errors import ScoringError
from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.noise import NotTogetherError, noisy_linear_layers, repeated
from deepcuts.scoring.passes import Batch, model_loss
from deepcuts.scoring.sweep import Sweep
from deepcuts.scoring.wanted import Wanted


def silent(width: int) -> nn.Linear:
    """A linear layer whose output is 0, so that what comes out is the noise."""
    layer = nn.Linear(2, width)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@pytest.mark.parametrize("std", [0.01, 0.1, 2.0])
def test_noise_has_mean_zero_and_the_standard_deviation_asked_for(std: float) -> None:
    layer = silent(500)
    with torch.no_grad(), noisy_linear_layers(layer, std, 1):
        noise = layer(torch.ones(400, 2))
    count = noise.numel()  # 200,000, so the deviations below are about five standard errors
    assert abs(noise.mean().item()) < 5 * std / math.sqrt(count)
    assert noise.std().item() == pytest.approx(std, rel=0.01)
    standardised = noise / std
    assert standardised.pow(3).mean().item() == pytest.approx(0, abs=0.03)
    assert standardised.pow(4).mean().item() == pytest.approx(3, abs=0.06)  # a Gaussian's


def test_every_linear_layer_gets_noise_of_its_own_and_no_other_module_any() -> None:
    model = tiny("bert").float()
    batch = tiny_batches(model)[0]
    clean: dict[str, Tensor] = {}
    noisy: dict[str, Tensor] = {}
    # Inputs are recorded as well: what a layer adds is its output less what it makes of its own input.
    added: dict[str, Tensor] = {}

    def record(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        (noisy if recording else clean)[name] = output
        if recording and isinstance(module, nn.Linear):
            added[name] = output - nn.functional.linear(inputs[0], module.weight, module.bias)

    hooks = [
        module.register_forward_hook(
            lambda module, inputs, output, name=name: record(name, module, inputs, output)
        )
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Embedding | nn.LayerNorm)
    ]
    recording = False
    with torch.no_grad():
        model(**batch)
        recording = True
        with noisy_linear_layers(model, 0.1, 4):
            model(**batch)
    for hook in hooks:
        hook.remove()
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert set(added) == linear
    assert "classifier" in linear  # the head's noise is part of the method
    for name, noise in added.items():
        assert 0.03 < noise.std().item() < 0.2, name
    flat = [tuple(noise.flatten()[:8].tolist()) for noise in added.values()]
    assert len(set(flat)) == len(flat), "two layers got the same noise"
    for name in clean:
        if "embeddings" in name:  # nothing before the first linear layer changes
            assert torch.equal(clean[name], noisy[name])


def test_the_noise_is_that_of_the_seed_drawn_in_the_order_of_the_calls() -> None:
    model = nn.Sequential(silent(2), silent(3))
    with torch.no_grad(), noisy_linear_layers(model, 0.5, 11):
        first = model[0](torch.ones(4, 2))
        second = model[1](torch.ones(4, 2))
    generator = torch.Generator().manual_seed(11)
    assert torch.equal(first, 0.5 * torch.randn(4, 2, generator=generator))
    assert torch.equal(second, 0.5 * torch.randn(4, 3, generator=generator))


def test_the_same_seed_gives_the_same_noise_and_another_seed_another() -> None:
    layer = silent(8)

    def drawn(seed: int) -> Tensor:
        with torch.no_grad(), noisy_linear_layers(layer, 1.0, seed):
            return layer(torch.ones(3, 2))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_noise_leaves_the_global_generator_alone() -> None:
    layer = silent(8)
    before = torch.get_rng_state()
    with torch.no_grad(), noisy_linear_layers(layer, 1.0, 0):
        layer(torch.ones(3, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_hooks_are_gone_afterwards_also_after_an_exception() -> None:
    model = nn.Sequential(silent(2), silent(3))
    with noisy_linear_layers(model, 1.0, 0):
        assert all(layer._forward_hooks for layer in model)
    assert not any(layer._forward_hooks for layer in model)
    with pytest.raises(KeyError), noisy_linear_layers(model, 1.0, 0):
        raise KeyError
    assert not any(layer._forward_hooks for layer in model)


def test_noise_comes_before_hooks_that_were_there() -> None:
    """A head that bounds its output does so by a hook; noise after it would leave the bounds."""
    layer = silent(100)
    layer.register_forward_hook(lambda _module, _inputs, output: output.clamp(-0.5, 0.5))
    with torch.no_grad(), noisy_linear_layers(layer, 10.0, 0):
        output = layer(torch.ones(4, 2))
    assert output.abs().max() == 0.5


def test_noise_is_of_the_outputs_type() -> None:
    layer = silent(4).to(torch.bfloat16)
    with torch.no_grad(), noisy_linear_layers(layer, 1.0, 0):
        assert layer(torch.ones(1, 2, dtype=torch.bfloat16)).dtype is torch.bfloat16


def test_smooth_gradient_is_the_mean_over_the_paths() -> None:
    model = tiny("bert")
    batch = tiny_batches(model)[0]
    parameters = dict(model.named_parameters())
    options = ScoringOptions(noise_std=0.3, paths=4)
    found = smooth_gradients(model, batch, parameters, model_loss, options, seed=9)
    passes = []
    for path in range(4):
        with noisy_linear_layers(model, 0.3, derive_seed(9, "path", path)):
            passes.append(gradients(model_loss(model, batch), parameters))
    for name in parameters:
        expected = torch.stack([one[name].double() for one in passes]).mean(0)
        torch.testing.assert_close(found[name].double(), expected, rtol=1e-5, atol=1e-7)
    weight = "classifier.weight"
    assert not torch.allclose(passes[0][weight], passes[1][weight], rtol=1e-2), "the paths do not differ"


@pytest.mark.parametrize("together", [2, 3, 4, 9])
def test_paths_run_together_give_what_each_gives_in_a_pass_of_its_own(together: int) -> None:
    model = tiny("bert", dropout=0.0)
    batch = tiny_batches(model)[0]
    parameters = dict(model.named_parameters())
    options = ScoringOptions(noise_std=0.3, paths=4)
    alone = smooth_gradients(model, batch, parameters, model_loss, options, seed=9)
    found = smooth_gradients(model, batch, parameters, model_loss, options, seed=9, together=together)
    largest = max(value.abs().max().item() for value in alone.values())
    for name, value in alone.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5 * largest)


def test_a_model_whose_layers_do_not_all_see_the_rows_falls_back_to_one_path_at_a_time() -> None:
    model = tiny("deberta-v2", dropout=0.0)  # its projections run on the table of relative positions as well
    batch = tiny_batches(model)[0]
    with pytest.raises(NotTogetherError), noisy_linear_layers(model, 0.1, 1, 2):
        model(
            **{
                name: value.repeat(2, 1) if value.dim() == 2 else value.repeat(2)
                for name, value in batch.items()
            }
        )
    parameters = prunable_parameters(model)
    request = ScoreRequest(Strategy.parse("LayerSmoothGrad"), ScoringOptions(paths=3))
    sums = []
    for together in (1, 3):
        wanted = Wanted.of(request)
        sweep = Sweep(model.eval(), parameters, [wanted], model_loss, seed=0)
        sweep.gradient_passes.together = together
        sums.append(sweep.run([batch], 0, 1).importances(wanted))
        assert sweep.gradient_passes.together == 1
    for name in parameters:
        assert torch.equal(sums[0][name], sums[1][name])


def test_paths_are_halved_until_they_fit_the_device() -> None:
    model = tiny("bert", dropout=0.0)
    batch = tiny_batches(model)[0]
    request = ScoreRequest(Strategy.parse("LayerSmoothGrad"), ScoringOptions(paths=8))
    rows: list[int] = []

    def small_device(model: nn.Module, batch: Batch) -> Tensor:
        rows.append(len(batch["input_ids"]))
        if rows[-1] > 8:  # two paths of four rows
            raise torch.cuda.OutOfMemoryError
        return model_loss(model, batch)

    wanted = Wanted.of(request)
    sweep = Sweep(model.eval(), prunable_parameters(model), [wanted], small_device, seed=0)
    sweep.gradient_passes.together = 8
    found = sweep.run([batch, batch], 0, 1).importances(wanted)
    assert rows == [32, 16, *[8] * 8]
    assert all(value.sum() > 0 for value in found.values())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("plain", ["MagGrad", "GradCAM", "GradCAMShift", "GradCAMReLU"])
def test_without_noise_a_smooth_score_is_the_plain_one(plain: str) -> None:
    model = tiny("bert")
    smooth = "SmoothGrad" if plain == "MagGrad" else f"Smooth{plain}"
    options = ScoringOptions(noise_std=0.0, paths=3)
    names = [f"Layer{plain}", f"Layer{smooth}"]
    first, second = score(model, tiny_batches(model), names, options=options).values()
    largest = max(value.max().item() for value in first.values())
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6 * largest)


class _TwoOffsets(nn.Module):
    """Its two parameters get one and the same gradient tensor from autograd, of stride 0 at that."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(3))
        self.other = nn.Parameter(torch.ones(3))


def test_parameters_that_share_a_gradient_tensor_are_averaged_apart() -> None:
    model = _TwoOffsets()
    found = smooth_gradients(
        model,
        {},
        dict(model.named_parameters()),
        lambda model, batch: (model.one + model.other).sum(),
        ScoringOptions(paths=4),
        seed=0,
    )
    assert {name: value.tolist() for name, value in found.items()} == {"one": [1] * 3, "other": [1] * 3}


def test_what_has_no_rows_is_not_repeated_with_them() -> None:
    batch = {"ids": torch.arange(6).view(2, 3), "scale": torch.tensor(2.0), "flag": True}
    found = repeated(batch, 3)
    assert torch.equal(found["ids"], torch.cat([batch["ids"]] * 3))
    assert found["scale"] is batch["scale"]
    assert found["flag"] is True


class _Again(nn.Module):
    """One linear layer that runs several times in a region of its own, kept or computed again."""

    def __init__(self, again: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.again = again
        self.first, self.shared, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def region(self, hidden: Tensor) -> Tensor:
        return self.shared(self.shared(hidden).tanh()).tanh()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).tanh()
        for _ in range(2):
            hidden = (
                checkpoint(self.region, hidden, use_reentrant=False) if self.again else self.region(hidden)
            )
        return self.last(hidden)


def test_a_layer_that_checkpointing_runs_again_gets_the_noise_that_it_had() -> None:
    batch = {"x": torch.randn(5, 3, generator=torch.Generator().manual_seed(1))}

    def loss_fn(model: nn.Module, batch: Batch) -> Tensor:
        return model(batch["x"]).square().mean()

    found = []
    for again in (False, True):
        model = _Again(again)
        parameters = dict(model.named_parameters())
        options = ScoringOptions(noise_std=0.5, paths=2)
        found.append(smooth_gradients(model, batch, parameters, loss_fn, options, seed=3))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-6, atol=1e-8)


def test_a_layer_that_is_run_again_with_something_else_is_refused() -> None:
    layer = silent(4)
    inputs = [torch.ones(2, 2), torch.zeros(2, 2)]

    def region(x: Tensor) -> Tensor:
        return (layer(inputs.pop(0)) + layer.bias).sin() * x

    nn.init.ones_(layer.weight)
    with noisy_linear_layers(layer, 1.0, 0):
        loss = checkpoint(region, torch.ones(2, 4, requires_grad=True), use_reentrant=False).sum()
        with pytest.raises(ScoringError, match="run again in the backward pass with other inputs"):
            loss.backward()
