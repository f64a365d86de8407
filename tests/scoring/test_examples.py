"""Gradients of single examples: by hooks and one by one, against a plain loop over batches of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from models import tiny, tiny_batches
from numpy.typing import NDArray
from torch import Tensor, nn

from deepcuts import ScoringOptions, Strategy, prunable_parameters, score
from deepcuts.scoring import examples
from deepcuts.scoring.examples import told_apart

Array = NDArray[np.float64]
EVERY = ["bert", "distilbert", "roberta", "albert", "modernbert", "deberta-v2"]


def single_gradients(
    model: nn.Module, batches: list[dict[str, Tensor]], names: list[str], loss_fn: Any = None
) -> dict[str, list[Array]]:
    """∂L_n/∂w of every example n as a batch alone."""
    found: dict[str, list[Array]] = {name: [] for name in names}
    loss_fn = loss_fn or (lambda model, batch: model(**batch).loss)
    for batch in batches:
        for number in range(len(next(iter(batch.values())))):
            model.zero_grad()
            loss_fn(model, {key: value[number : number + 1] for key, value in batch.items()}).backward()
            for name in names:
                gradient = model.get_parameter(name).grad
                assert gradient is not None
                found[name].append(gradient.double().numpy().copy())
    model.zero_grad()
    return found


def check(scores: Any, model: nn.Module, single: dict[str, list[Array]], formula: str) -> None:
    most = 0.0
    for name, gradients in single.items():
        w = model.get_parameter(name).detach().double().numpy()
        stacked = np.stack(gradients)
        squares, sizes = (stacked**2).mean(0), abs(stacked).sum(0)
        expected = w**2 * squares if formula == "Fisher" else abs(w) * sizes
        most = max(most, expected.max())
        # Of a key's bias the gradient is rounding alone.
        floor = 1e-12 if formula == "Fisher" else 1e-6
        np.testing.assert_allclose(scores[name].numpy(), expected, rtol=2e-3, atol=floor)
    assert most > 1e-6


@pytest.mark.parametrize("model_type", EVERY)
def test_fisher_and_sizes_are_those_of_a_loop_over_examples(model_type: str) -> None:
    model = tiny(model_type)
    batches = tiny_batches(model, 2)
    found = score(model, batches, ["LayerFisher", "GlobalMagGradByExample"])
    single = single_gradients(model, batches, list(prunable_parameters(model)))
    check(found["LayerFisher"], model, single, "Fisher")
    check(found["GlobalMagGradByExample"], model, single, "MagGradByExample")
    assert found["LayerFisher"].examples == 8


@pytest.mark.parametrize(
    ("model_type", "is_possible"), [("bert", True), ("albert", True), ("deberta-v2", False)]
)
def test_hooks_are_used_where_they_tell_examples_apart(model_type: str, is_possible: bool) -> None:
    """DeBERTa's projections run on its table of relative positions too, which is not an example's."""
    model = tiny(model_type)
    found = told_apart(
        model, prunable_parameters(model), lambda model, batch: model(**batch).loss, tiny_batches(model)[0]
    )
    assert (found is not None) is is_possible


def test_one_pass_serves_a_batch_where_hooks_do(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("bert")
    sizes = []

    def loss_fn(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        sizes.append(len(batch["labels"]))
        loss: Tensor = model(**batch).loss
        return loss

    monkeypatch.setattr(examples, "_HELD", 700)  # blocks of a few examples
    batches = tiny_batches(model, 2)
    scores = score(model, batches, ["LayerFisher", "LayerMagGradByExample"], loss_fn=loss_fn)["LayerFisher"]
    assert sizes == [2, 1, 1, 4, 4]
    check(scores, model, single_gradients(model, batches, list(scores)), "Fisher")


def test_a_loss_that_is_a_sum_is_taken_example_by_example() -> None:
    model = tiny("bert")
    batches = tiny_batches(model, 1)

    def summed(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(model(**batch).logits, batch["labels"], reduction="sum")

    scores = score(model, batches, ["LayerFisher"], loss_fn=summed)["LayerFisher"]
    check(scores, model, single_gradients(model, batches, list(scores), summed), "Fisher")


class Scaled(nn.Module):
    """A layer whose weight is used past its forward, and a vector that is no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4)
        self.factor = nn.Parameter(torch.rand(4))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.inner.weight, self.inner.bias) * self.factor


@pytest.mark.parametrize("prunable", [["inner.weight"], ["inner.weight", "inner.bias", "factor"]])
def test_what_hooks_cant_see_is_taken_example_by_example(prunable: list[str]) -> None:
    model = Scaled()
    batch = {"x": torch.randn(5, 3, generator=torch.Generator().manual_seed(1))}
    found = score(
        model, [batch], ["LayerFisher"], loss_fn=lambda m, b: m(b["x"]).square().mean(), prunable=prunable
    )["LayerFisher"]
    single = single_gradients(model, [batch], list(found), lambda m, b: m(b["x"]).square().mean())
    check(found, model, single, "Fisher")


def test_examples_that_disagree_dont_cancel() -> None:
    """w = 3, x = 1 and -1: the batch's gradient is 0, each example's isn't."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 3.0)
    batch = {"x": torch.tensor([[1.0], [-1.0]])}
    names = ["LayerMagGrad", "LayerMagGradByExample", "LayerFisher"]
    found = score(model, [batch], names, loss_fn=lambda m, b: m(b["x"]).mean(), prunable=["weight"])
    assert [found[name]["weight"].item() for name in names] == [0.0, 6.0, 9.0]


def test_other_gradients_combine_with_them_example_by_example() -> None:
    model = tiny("bert")
    batch = tiny_batches(model, 1)[0]
    options = ScoringOptions(paths=3, noise_std=0.0)  # without noise, that of the loss
    found = score(model, [batch], ["LayerSmoothFisher", "LayerSmoothGradByExample"], options=options)
    single = single_gradients(model, [batch], list(prunable_parameters(model)))
    check(found["LayerSmoothFisher"], model, single, "Fisher")
    check(found["LayerSmoothGradByExample"], model, single, "MagGradByExample")
    noisy = score(model, [batch], ["LayerSmoothFisher"], options=ScoringOptions(paths=3))["LayerSmoothFisher"]
    name = next(iter(noisy))
    assert not torch.allclose(noisy[name], found["LayerSmoothFisher"][name], rtol=1e-3)


def test_scores_of_batches_are_the_same_beside_them() -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    options = ScoringOptions(dropout=True, paths=2)
    names = ["LayerMagGrad", "LayerSmoothGradCAM"]
    alone = score(model, batches, names, options=options)
    beside = score(model, batches, ["LayerFisher", *names], options=options)
    for name in names:
        assert all(torch.equal(beside[name][tensor], alone[name][tensor]) for tensor in alone[name])


def test_they_are_never_compiled() -> None:
    assert "compile" not in Strategy.parse("LayerFisher").reads
    assert "compile" in Strategy.parse("LayerMagGrad").reads
