"""A gradient added from outside of the package, combined with criteria that know nothing of it."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts import ScoreRequest, ScoringOptions, Strategy, prunable_parameters, score, strategy_names
from deepcuts.scoring.scoring import count_passes


@pytest.fixture
def half(registry: None) -> ModuleType:
    """Registered for one test."""
    sys.modules.pop("seams.half", None)
    return importlib.import_module("seams.half")


def scaled_gradients(model: nn.Module, batch: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """∂L/∂w where the prunable weights are scaled, by plain autograd."""
    names = list(prunable_parameters(model))
    scaled = {name: (model.get_parameter(name).detach() * scale).requires_grad_() for name in names}
    loss = torch.func.functional_call(model, scaled, kwargs=dict(batch)).loss
    found = torch.autograd.grad(loss, list(scaled.values()))
    return dict(zip(names, found, strict=True))


def mean_output(model: nn.Module, batch: dict[str, Tensor], name: str) -> Tensor:
    seen: list[Tensor] = []
    hook = model.get_submodule(name.rpartition(".")[0]).register_forward_hook(
        lambda _m, _i, output: seen.append(output)
    )
    with torch.no_grad():
        model(**batch)
    hook.remove()
    (output,) = seen
    mean = (output[batch["attention_mask"].bool()] if output.dim() == 3 else output).mean(0)
    return mean[:, None] if name.endswith("weight") else mean


@pytest.mark.parametrize("steps", [1, 3])
def test_it_combines_with_criteria_by_name(half: ModuleType, steps: int) -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    names = ["LayerHalfGrad", "GlobalHalfGradCAM", "InvertedLayerHalfGradCAMShift"]
    options = ScoringOptions(steps=steps, shift=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = score(model, batches, names, options=options)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    expected: dict[str, dict[str, Tensor]] = {name: {} for name in names}
    for batch in batches:
        passes = [scaled_gradients(model, batch, 0.5 * (step + 1) / steps) for step in range(steps)]
        for name, parameter in prunable_parameters(model).items():
            taylor = parameter.detach() * torch.stack([one[name] for one in passes]).mean(0)
            a = mean_output(model, batch, name)  # of the model as it is
            for key, value in zip(names, (taylor, taylor * a, -((taylor * (a + 2)).abs())), strict=True):
                value = value if key.startswith("Inverted") else value.abs()
                expected[key][name] = expected[key].get(name, torch.zeros(())) + value
    for key in names:
        largest = max(value.abs().max().item() for value in expected[key].values())
        for name, value in expected[key].items():
            torch.testing.assert_close(found[key][name], value, rtol=1e-4, atol=1e-6 * largest)


def test_its_names_options_and_passes_are_known(half: ModuleType) -> None:
    assert {"LayerHalfGrad", "GlobalHalfGrad", "LayerHalfGradCAMReLU"} <= set(strategy_names())
    strategy = Strategy.parse("LayerHalfGrad")
    assert strategy == Strategy("MagGrad", gradient="Half")
    assert str(strategy) == "LayerHalfGrad"
    read = {option.name for option in strategy.options}
    assert read == {
        "share",
        "steps",
        "max_batches",
        "dropout",
        "precision",
        "explain",
    }  # nothing of it is compiled
    assert "compile" in Strategy.parse("LayerHalfGradCAM").reads
    assert "share" not in Strategy.parse("LayerSmoothGrad").reads
    options = ScoringOptions(steps=4)
    requests = [ScoreRequest(Strategy.parse(name), options) for name in ("LayerHalfGrad", "LayerMagGrad")]
    assert count_passes(requests, 5) == 4 * 5 + 5


def test_other_scores_of_the_sweep_are_as_without_it(half: ModuleType) -> None:
    model = tiny("bert")
    others = ["LayerMagGrad", "LayerSmoothGradCAM"]
    options = ScoringOptions(paths=2, dropout=True)
    alone = score(model, tiny_batches(model), others, options=options)
    together = score(model, tiny_batches(model), ["LayerHalfGradCAM", *others], options=options)
    for name in others:
        assert all(torch.equal(together[name][tensor], alone[name][tensor]) for tensor in alone[name])


def test_the_weights_come_back_after_an_exception(half: ModuleType) -> None:
    model = tiny("bert")
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def failing(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        raise KeyError

    with pytest.raises(KeyError):
        score(model, tiny_batches(model), ["LayerHalfGrad"], loss_fn=failing)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
