"""Every score of a tiny BERT against a plain loop that shares no code with the package.

The loop uses ``loss.backward()``, forward hooks of its own and sums in float64 with numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from models import tiny, tiny_batches
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from deepcuts import Budget, Scores, ScoringOptions, score, select
from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.noise import noisy_linear_layers

Array = NDArray[np.float64]
SEED, NOISE, PATHS, SHIFT = 5, 0.1, 3, 10.0

FORMULAS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "MagGrad": lambda w, g, a: abs(w * g),
    "GradCAM": lambda w, g, a: abs(w * g * a),
    "GradCAMShift": lambda w, g, a: abs(w * g * (a + SHIFT)),
    "GradCAMReLU": lambda w, g, a: abs(w * g * np.maximum(a, 0)),
    "SmoothGrad": lambda w, g, a: abs(w * g),
    "SmoothGradCAM": lambda w, g, a: abs(w * g * a),
    "SmoothGradCAMShift": lambda w, g, a: abs(w * g * (a + SHIFT)),
    "SmoothGradCAMReLU": lambda w, g, a: abs(w * g * np.maximum(a, 0)),
}


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def prunable_names(model: PreTrainedModel) -> list[str]:
    return [
        name
        for name, _ in model.named_parameters()
        if ("encoder" in name or "pooler" in name) and "LayerNorm" not in name
    ]


def mean_outputs(model: PreTrainedModel, batch: dict[str, Tensor]) -> dict[str, Array]:
    """Mean output of every linear layer by its name, over the tokens that are no padding."""
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output}))
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    ]
    with torch.no_grad():
        model(**batch)
    for hook in hooks:
        hook.remove()
    real = batch["attention_mask"].numpy().astype(bool)  # (batch, tokens)
    means = {}
    for name, output in seen.items():
        values = array(output)
        rows = values[real] if values.ndim == 3 else values  # the pooler's output has no token axis
        means[name] = rows.mean(0)
    return means


def backward(model: PreTrainedModel, batch: dict[str, Tensor], names: list[str]) -> dict[str, Array]:
    model.zero_grad()
    model(**batch).loss.backward()
    return {name: array(model.get_parameter(name).grad) for name in names}


def reference(model: PreTrainedModel, batches: list[dict[str, Tensor]], score_name: str) -> dict[str, Array]:
    names = prunable_names(model)
    total = {name: np.zeros(tuple(model.get_parameter(name).shape)) for name in names}
    smooth = score_name.startswith("Smooth")
    for index, batch in enumerate(batches):
        means = mean_outputs(model, batch)
        seeds = [derive_seed(derive_seed(SEED, "batch", index), "path", path) for path in range(PATHS)]
        passes = []
        for seed in seeds if smooth else [None]:
            with noisy_linear_layers(model, NOISE, seed) if seed is not None else nullcontext():
                passes.append(backward(model, batch, names))
        for name in names:
            gradient = np.mean([found[name] for found in passes], axis=0)
            activation = means[name.rpartition(".")[0]]
            if name.endswith("weight"):
                activation = activation[:, None]
            total[name] += FORMULAS[score_name](array(model.get_parameter(name)), gradient, activation)
    return total


@pytest.fixture(scope="module")
def scored() -> tuple[PreTrainedModel, dict[str, Scores]]:
    model = tiny("bert")
    options = ScoringOptions(shift=SHIFT, noise_std=NOISE, paths=PATHS)
    names = [f"Layer{name}" for name in FORMULAS]
    return model, score(model, tiny_batches(model), names, seed=SEED, options=options)


@pytest.mark.parametrize("name", FORMULAS)
def test_scores_of_a_tiny_bert_are_those_of_a_plain_loop(
    scored: tuple[PreTrainedModel, dict[str, Scores]], name: str
) -> None:
    model, found = scored
    expected = reference(model, tiny_batches(model), name)
    scores = found[f"Layer{name}"]
    assert list(scores) == list(expected)
    largest = max(value.max() for value in expected.values())
    assert largest > 1e-3
    for tensor, value in expected.items():
        np.testing.assert_allclose(
            scores[tensor].numpy(), value, rtol=2e-4, atol=1e-6 * largest, err_msg=tensor
        )


@pytest.mark.parametrize("scope", ["tensor", "global"])
@pytest.mark.parametrize("name", FORMULAS)
def test_masks_of_a_tiny_bert_are_those_of_numpys_argsort(
    scored: tuple[PreTrainedModel, dict[str, Scores]], name: str, scope: str
) -> None:
    _, found = scored
    scores = found[f"Layer{name}"]
    density = 0.25
    masks = select(scores, Budget.from_density(density), scope)
    flat = {tensor: value.numpy().reshape(-1) for tensor, value in scores.items()}
    groups = [flat] if scope == "global" else [{tensor: value} for tensor, value in flat.items()]
    for group in groups:
        values = np.concatenate(list(group.values()))
        kept = np.concatenate([masks[tensor].numpy().reshape(-1) for tensor in group])
        best_first = np.argsort(-values, kind="stable")
        expected = np.zeros(values.size, dtype=bool)
        expected[best_first[: round(density * values.size)]] = True
        np.testing.assert_array_equal(kept, expected)


@pytest.mark.parametrize("name", FORMULAS)
def test_masks_keep_what_the_plain_loop_ranks_highest(
    scored: tuple[PreTrainedModel, dict[str, Scores]], name: str
) -> None:
    model, found = scored
    masks = select(found[f"Layer{name}"], Budget.from_density(0.3), "global")
    expected = reference(model, tiny_batches(model), name)
    values = np.concatenate([value.reshape(-1) for value in expected.values()])
    kept = np.concatenate([mask.numpy().reshape(-1) for mask in masks.values()])
    threshold = np.sort(values)[::-1][masks.kept - 1]
    slack = 2e-4 * threshold + 1e-6 * values.max()  # rounding may swap neighbours at the threshold
    assert values[kept].min() >= threshold - slack
    assert values[~kept].max() <= threshold + slack


def test_padding_tokens_would_change_the_activations() -> None:
    """The comparison above says something about padding only if padding matters."""
    model = tiny("bert")
    batch = tiny_batches(model)[0]
    everything = {**batch, "attention_mask": batch["attention_mask"]}
    name = "bert.encoder.layer.0.output.dense"
    without = mean_outputs(model, everything)[name]
    seen: list[Tensor] = []
    hook = model.get_submodule(name).register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad():
        model(**batch)
    hook.remove()
    assert not np.allclose(array(seen[0]).mean((0, 1)), without, rtol=1e-2)
