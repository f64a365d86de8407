"""A loss of one's own, and losses, gradients and weights from which no score can come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from scored import NOT_READ, QUICK, Batches, close
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts import score
from deepcuts.common.errors import ScoringError


def test_a_loss_function_replaces_the_models_own(bert: PreTrainedModel, batches: Batches) -> None:
    def same_loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        return nn.functional.cross_entropy(model(**inputs).logits, batch["labels"])

    names = ["LayerMagGrad", "LayerSmoothGrad"]
    own = score(bert, batches, names, options=QUICK)
    given = score(bert, batches, names, loss_fn=same_loss, options=QUICK)
    assert all(close(own[name], given[name]) for name in names)
    tripled = score(bert, batches, names, loss_fn=lambda m, b: 3 * same_loss(m, b), options=QUICK)
    assert all(close({n: 3 * value for n, value in own[name].items()}, tripled[name]) for name in names)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["LayerMagGrad", "LayerSmoothGrad", "LayerSmoothGradCAM"])
def test_a_loss_that_is_not_finite_is_reported_with_the_batchs_number(
    bert: PreTrainedModel, batches: Batches, name: str, bad: float
) -> None:
    def spoiled(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        loss = model(**batch).loss
        return loss * bad if torch.equal(batch["input_ids"], batches[1]["input_ids"]) else loss

    with pytest.raises(ScoringError, match=f"loss of batch 1 is {bad}"):
        score(bert, batches, [name], loss_fn=spoiled, options=QUICK)


def test_a_gradient_that_is_not_finite_is_reported_with_the_tensor(
    bert: PreTrainedModel, batches: Batches
) -> None:
    def steep(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        bias = model.bert.pooler.dense.bias
        return model(**batch).loss + (bias - bias.detach()).sqrt().sum()  # 0, with slope infinity

    with pytest.raises(ScoringError, match=r"LayerMagGrad.*'bert\.pooler\.dense\.bias'"):
        score(bert, batches, ["LayerMagGrad"], loss_fn=steep)


@pytest.mark.parametrize("name", ["LayerMagWeight", "InvertedLayerMagWeight"])
def test_a_weight_that_is_nan_is_reported_with_its_tensor(bert: PreTrainedModel, name: str) -> None:
    with torch.no_grad():
        bert.bert.encoder.layer[1].output.dense.weight[2, 3] = torch.nan
    with pytest.raises(ScoringError, match=r"MagWeight.*'bert\.encoder\.layer\.1\.output\.dense\.weight'"):
        score(bert, NOT_READ, [name])


def test_a_frozen_parameter_is_reported_where_a_gradient_is_needed(
    bert: PreTrainedModel, batches: Batches
) -> None:
    bert.bert.pooler.dense.weight.requires_grad_(False)
    for name in ("LayerMagGrad", "LayerSmoothGrad"):
        with pytest.raises(ScoringError, match=r"'bert\.pooler\.dense\.weight' is frozen"):
            score(bert, batches, [name])
    assert score(bert, NOT_READ, ["LayerMagWeight"])


def test_frozen_protected_parameters_do_not_matter(bert: PreTrainedModel, batches: Batches) -> None:
    expected = score(bert, batches, ["LayerGradCAM"])["LayerGradCAM"]
    bert.bert.embeddings.requires_grad_(False)
    assert close(score(bert, batches, ["LayerGradCAM"])["LayerGradCAM"], expected)


def test_a_parameter_that_no_loss_depends_on_is_refused_by_name() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 2)})
    names = ["used.weight", "unused.weight", "unused.bias"]

    def never(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        model["unused"](batch["x"])
        return model["used"](batch["x"]).sum()

    def at_times(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        loss = never(model, batch)
        return loss + model["unused"](batch["x"]).sum() if batch["y"] else loss

    batches = [{"x": torch.ones(1, 2), "y": torch.tensor(float(y))} for y in (0, 1)]
    for name in ("LayerMagGrad", "LayerSmoothGradCAM"):
        with pytest.raises(ScoringError, match=r"depends on 'unused\.weight' and 1 more.*left out"):
            score(model, batches, [name], loss_fn=never, prunable=names)
        found = score(model, batches, [name], loss_fn=at_times, prunable=names)[name]
        assert found["unused.weight"].max() > 0
    assert score(model, batches, ["LayerMagWeight"], loss_fn=never, prunable=names)
    with pytest.raises(ScoringError, match="the loss depends on no prunable parameter"):
        score(model, batches, ["LayerMagGrad"], loss_fn=lambda m, b: b["x"].sum(), prunable=names)
    with pytest.raises(ScoringError, match="took no part"):
        score(model, batches, ["LayerGradCAM"], loss_fn=lambda m, b: m["used"](b["x"]).sum(), prunable=names)


@pytest.mark.parametrize(
    ("loss", "said"),
    [(lambda m, b: m(**b).logits, r"a tensor of shape \(\d, 2\)"), (lambda m, b: 1.0, "1.0")],
)
def test_a_loss_that_is_no_single_number_is_refused(
    bert: PreTrainedModel, batches: Batches, loss: Any, said: str
) -> None:
    for name in ("LayerMagGrad", "LayerSmoothGrad", "LayerFisher"):
        with pytest.raises(ScoringError, match=f"the loss is {said}, but it must be a tensor of one number"):
            score(bert, batches, [name], loss_fn=loss)
