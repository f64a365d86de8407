"""Wanda, OBS and SparseGPT on tiny models, against plain numpy; and what they make of kept weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from models import tiny, tiny_batches
from numpy.typing import NDArray
from torch import Tensor, nn

from deepcuts import Budget, Masks, ScoreRequest, ScoringOptions, Strategy, prunable_parameters, select
from deepcuts import score as scored
from deepcuts.common.errors import InputError
from deepcuts.scoring.reconstruction import along_columns
from deepcuts.scoring.updates import updated_weights, updates_weights

Array = NDArray[np.float64]


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def inputs_of(model: nn.Module, batches: list[dict[str, Tensor]]) -> dict[str, Array]:
    """Rows of every linear layer's inputs by its name, padding left out."""
    rows: dict[str, list[Array]] = {}
    for batch in batches:
        real = batch["attention_mask"].numpy().astype(bool)

        def see(name: str, inputs: Tensor, real: Any = real) -> None:
            values = array(inputs)
            if values.ndim == 2 or values.shape[:2] == real.shape:  # else it is a table's
                rows.setdefault(name, []).append(values[real] if values.ndim == 3 else values)

        hooks = [
            module.register_forward_hook(lambda _m, inputs, _o, name=name: see(name, inputs[0]))
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear)
        ]
        with torch.no_grad():
            model(**batch)
        for hook in hooks:
            hook.remove()
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def example_gradients(model: nn.Module, batches: list[dict[str, Tensor]]) -> dict[str, Array]:
    """``(examples, weights)`` of every prunable parameter."""
    names = list(prunable_parameters(model))
    found: dict[str, list[Array]] = {name: [] for name in names}
    for batch in batches:
        for number in range(len(batch["labels"])):
            model.zero_grad()
            model(**{key: value[number : number + 1] for key, value in batch.items()}).loss.backward()
            for name in names:
                found[name].append(array(model.get_parameter(name).grad).reshape(-1))
    model.zero_grad()
    return {name: np.stack(rows) for name, rows in found.items()}


def test_wanda_is_weight_times_norm_of_input_and_a_biass_input_is_1() -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    scores = scored(model, batches, ["RowWanda"])["RowWanda"]
    assert scores.scope == "row"
    for name, rows in inputs_of(model, batches).items():
        if f"{name}.weight" in scores:
            layer = model.get_submodule(name)
            norms = np.sqrt((rows**2).sum(0))
            np.testing.assert_allclose(scores[f"{name}.weight"], abs(array(layer.weight)) * norms, rtol=1e-5)
            expected = abs(array(layer.bias)) * np.sqrt(len(rows))
            np.testing.assert_allclose(scores[f"{name}.bias"], expected, rtol=1e-5)


def fisher_of(gradients: Array, start: int, size: int, dampening: float) -> Array:
    some = gradients[:, start : start + size]
    return some.T @ some / len(gradients) + dampening * np.eye(some.shape[1])


@pytest.mark.parametrize("size", [1, 5])
def test_obs_is_the_squared_weight_over_the_inverse_fisher(size: int) -> None:
    model = tiny("bert")
    batches = tiny_batches(model, 2)
    options = ScoringOptions(block_size=size, fisher_dampening=1e-4)
    scores = scored(model, batches, ["LayerOBS"], options=options)["LayerOBS"]
    for name, gradients in example_gradients(model, batches).items():
        w = array(model.get_parameter(name)).reshape(-1)
        inverse = np.concatenate(
            [np.linalg.inv(fisher_of(gradients, start, size, 1e-4)).diagonal()
             for start in range(0, len(w), size)]
        )  # fmt: skip
        np.testing.assert_allclose(scores[name].numpy().reshape(-1), w**2 / inverse, rtol=1e-3, atol=1e-9)


def test_obss_inverse_is_that_of_the_papers_recursion() -> None:
    """F⁻¹ ← F⁻¹ − F⁻¹g gᵀF⁻¹ / (m + gᵀF⁻¹g), from 1/λ on: eq. 7 of Kurtic et al."""
    gradients = np.random.default_rng(0).normal(size=(7, 4))
    inverse = np.eye(4) / 1e-3
    for g in gradients:
        step = inverse @ g
        inverse = inverse - np.outer(step, step) / (len(gradients) + g @ step)
    np.testing.assert_allclose(np.linalg.inv(fisher_of(gradients, 0, 4, 1e-3)), inverse, rtol=1e-6)


def test_obs_gives_kept_weights_what_is_best_without_the_cut_ones() -> None:
    model = tiny("bert")
    batches = tiny_batches(model, 2)
    request = ScoreRequest(Strategy.parse("LayerOBS"), ScoringOptions(block_size=5, fisher_dampening=1e-4))
    masks = select(
        scored(model, batches, ["LayerOBS"], options=request.options)["LayerOBS"], Budget.from_density(0.5)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = updated_weights(model, batches, masks, request)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    changed = 0
    for name, gradients in example_gradients(model, batches).items():
        w, kept = array(model.get_parameter(name)).reshape(-1), masks[name].numpy().reshape(-1)
        expected = np.zeros_like(w)
        for start in range(0, len(w), 5):
            fisher, here = fisher_of(gradients, start, 5, 1e-4), slice(start, start + 5)
            stay, go = np.flatnonzero(kept[here]), np.flatnonzero(~kept[here])
            inverse = np.linalg.inv(fisher)
            # Kurtic et al., eq. 6: δw = −F⁻¹ E (Eᵀ F⁻¹ E)⁻¹ w_Q
            change = -inverse[:, go] @ np.linalg.solve(inverse[np.ix_(go, go)], w[here][go])
            part = w[here] + change
            np.testing.assert_allclose(part[go], 0, atol=1e-9)
            expected[here][stay] = part[stay]
        np.testing.assert_allclose(found[name].numpy().reshape(-1), expected, rtol=1e-3, atol=1e-5)
        changed += int((abs(expected - w * kept) > 1e-4).sum())
    assert changed > 50, "else nothing was made up for"


def factor(rows: Array, share: float = 0.01) -> Array:
    """U with UᵀU = H⁻¹, by the definition of its diagonal: from the last column back."""
    gram = rows.T @ rows
    gram += share * gram.diagonal().mean() * np.eye(len(gram))
    return np.linalg.cholesky(np.linalg.inv(gram)).T


def test_sparsegpts_scores_are_the_squared_weight_over_what_later_columns_cant_make_up_for() -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    scores = scored(model, batches, ["LayerSparseGPT"])["LayerSparseGPT"]
    for name, rows in inputs_of(model, batches).items():
        if f"{name}.weight" not in scores:
            continue
        rows = np.concatenate([rows, np.ones((len(rows), 1))], 1)
        gram = rows.T @ rows
        gram += 0.01 * gram.diagonal().mean() * np.eye(len(gram))
        left = np.array([np.linalg.inv(gram[j:, j:])[0, 0] for j in range(len(gram))])
        layer = model.get_submodule(name)
        np.testing.assert_allclose(scores[f"{name}.weight"], array(layer.weight) ** 2 / left[:-1], rtol=2e-3)
        np.testing.assert_allclose(scores[f"{name}.bias"], array(layer.bias) ** 2 / left[-1], rtol=2e-3)


def columns_one_by_one(weight: Array, mask: NDArray[np.bool_], upper: Array) -> Array:
    """The loop of Frantar and Alistarh's algorithm 1, without its blocks."""
    new = weight.copy()
    for j in range(weight.shape[1]):
        error = np.where(mask[:, j], 0, new[:, j]) / upper[j, j]
        new[:, j:] -= error[:, None] * upper[j, j:]
    return np.where(mask, new, 0)


@pytest.mark.parametrize("columns", [3, 128, 300])
def test_the_update_along_columns_is_the_papers_loop_and_helps(columns: int) -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(400, columns)) @ random.normal(size=(columns, columns))
    weight, mask = random.normal(size=(4, columns)), random.random((4, columns)) < 0.5
    upper = factor(rows)
    found = along_columns(torch.tensor(weight), torch.tensor(mask), torch.tensor(upper)).numpy()
    np.testing.assert_allclose(found, columns_one_by_one(weight, mask, upper), rtol=1e-6, atol=1e-9)
    assert (found[~mask] == 0).all()
    missed, cut = (np.linalg.norm(rows @ (weight - one).T) for one in (found, weight * mask))
    assert missed < 0.95 * cut


@pytest.mark.parametrize("model_type", ["bert", "albert", "deberta-v2"])
def test_sparsegpt_goes_on_layer_after_layer(model_type: str) -> None:
    model = tiny(model_type, dropout=0.0)
    batches = tiny_batches(model)
    request = ScoreRequest(Strategy.parse("RowSparseGPT"))
    masks = select(scored(model, batches, ["RowSparseGPT"])["RowSparseGPT"], Budget.from_density(0.5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = updated_weights(model, batches, masks, request)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(found) == list(masks)
    assert all(not value[~masks[name]].any() for name, value in found.items())
    with torch.no_grad():
        for name, value in found.items():
            model.get_parameter(name).copy_(value)
    if model_type == "albert":  # whose one layer feeds itself
        return
    # Each layer by its inputs in the model that is updated up to it.
    inputs = inputs_of(model, batches)
    for name in [one.rpartition(".")[0] for one in masks if one.endswith("weight")]:
        rows = np.concatenate([inputs[name], np.ones((len(inputs[name]), 1))], 1)
        whole, mask, new = (torch.cat([one[f"{name}.weight"], one[f"{name}.bias"][:, None]], 1)
                            for one in (before, masks, found))  # fmt: skip
        expected = columns_one_by_one(array(whole), mask.numpy(), factor(rows))
        np.testing.assert_allclose(new.numpy(), expected, rtol=2e-3, atol=2e-4)


def test_what_is_not_cut_stays_as_it_is() -> None:
    model = tiny("bert")
    batches = tiny_batches(model, 1)
    masks = Masks(
        {name: torch.ones_like(one, dtype=torch.bool) for name, one in prunable_parameters(model).items()}
    )
    for name in ("LayerOBS", "LayerSparseGPT"):
        found = updated_weights(model, batches, masks, ScoreRequest(Strategy.parse(name)))
        assert all(torch.equal(value, model.get_parameter(tensor)) for tensor, value in found.items())


def test_a_criterion_without_an_update_is_refused_by_name() -> None:
    model = tiny("bert")
    request = ScoreRequest(Strategy.parse("LayerMagGrad"))
    assert not updates_weights(request)
    assert updates_weights(ScoreRequest(Strategy.parse("RowSparseGPT")))
    with pytest.raises(
        InputError, match="strategy: got 'LayerMagGrad', but its criterion must be one that updates"
    ):
        updated_weights(model, [], Masks({}), request)
