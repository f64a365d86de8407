from __future__ import annotations

import copy

import pytest
import torch
from models import tiny, tiny_batches
from torch import nn
from torch.nn.utils import prune
from transformers import PreTrainedModel

from deepcuts import Budget, Masks, apply_masks, prunable_parameters, score, select
from deepcuts.common.errors import MismatchError, ModelError
from deepcuts.masks.torch_prune import from_torch_prune, to_torch_prune


def masks_of(model: PreTrainedModel, strategy: str = "GlobalMagWeight", density: float = 0.4) -> Masks:
    return select(score(model, [], [strategy])[strategy], Budget.from_density(density))


def assert_same(first: Masks, second: Masks) -> None:
    assert set(first) == set(second)
    for name, mask in first.items():
        assert torch.equal(second[name], mask), name


@pytest.mark.parametrize("model_type", ["bert", "albert", "deberta"])
def test_masks_come_back_from_a_model(model_type: str) -> None:
    model = tiny(model_type)
    masks = masks_of(model)
    to_torch_prune(model, masks)
    assert_same(from_torch_prune(model), masks)
    assert from_torch_prune(model).provenance == {}


def test_the_model_computes_as_with_masks_applied(bert: PreTrainedModel) -> None:
    batch = tiny_batches(bert)[0]
    masks = masks_of(bert)
    applied = copy.deepcopy(bert)
    apply_masks(applied, masks)
    plain = bert(**batch).logits
    to_torch_prune(bert, masks)
    expected = applied(**batch).logits
    assert not torch.allclose(plain, expected, rtol=1e-2)
    torch.testing.assert_close(bert(**batch).logits, expected)


def test_the_values_of_cut_weights_are_kept_until_prune_remove(bert: PreTrainedModel) -> None:
    masks = masks_of(bert)
    before = {name: parameter.detach().clone() for name, parameter in prunable_parameters(bert).items()}
    to_torch_prune(bert, masks)
    for name, value in before.items():
        assert torch.equal(bert.get_parameter(f"{name}_orig"), value)
    for name in masks:
        module, _, own = name.rpartition(".")
        prune.remove(bert.get_submodule(module), own)
    for name, value in before.items():
        assert torch.equal(bert.get_parameter(name), value * masks[name])
    with pytest.raises(ModelError, match="BertForSequenceClassification carries no masks"):
        from_torch_prune(bert)


def test_masks_survive_a_state_dict(bert: PreTrainedModel) -> None:
    masks = masks_of(bert)
    to_torch_prune(bert, masks)
    other = tiny("bert", seed=1)
    everything = Masks({name: torch.ones_like(mask) for name, mask in masks.items()})
    to_torch_prune(other, everything)
    other.load_state_dict(bert.state_dict())
    assert_same(from_torch_prune(other), masks)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.97])
def test_torchs_own_pruning_of_one_layer_keeps_what_a_cut_by_magnitude_keeps(density: float) -> None:
    model = tiny("bert")
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    masks = select(
        score(model, [], ["LayerMagWeight"], prunable=[name])["LayerMagWeight"], Budget.from_density(density)
    )
    values = model.get_parameter(name).detach().abs()
    assert values.unique().numel() == values.numel(), "ties would be broken differently"
    prune.l1_unstructured(model.bert.encoder.layer[0].intermediate.dense, "weight", masks.total - masks.kept)
    found = from_torch_prune(model)
    assert list(found) == [name]
    assert_same(found, masks)


def test_torchs_own_global_pruning_keeps_what_a_global_cut_by_magnitude_keeps() -> None:
    model = tiny("bert")
    masks = masks_of(model, "GlobalMagWeight", 0.35)
    values = torch.cat([p.detach().abs().flatten() for p in prunable_parameters(model).values()])
    assert values.unique().numel() == values.numel(), "ties would be broken differently"
    homes = [(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in masks]
    prune.global_unstructured(homes, pruning_method=prune.L1Unstructured, amount=masks.total - masks.kept)
    assert_same(from_torch_prune(model), masks)


def test_masks_put_on_twice_are_read_as_both_together() -> None:
    layer = nn.Linear(4, 1, bias=False)
    to_torch_prune(layer, Masks({"weight": torch.tensor([[True, True, False, False]])}))
    prune.custom_from_mask(layer, "weight", torch.tensor([[1, 0, 1, 0]]))
    assert from_torch_prune(layer)["weight"].tolist() == [[True, False, False, False]]


def test_masks_for_some_parameters_leave_the_others_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    to_torch_prune(model, Masks({"1.weight": torch.tensor([[True, False]])}))
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias", "1.weight_orig"]
    assert list(from_torch_prune(model)) == ["1.weight"]


@pytest.mark.parametrize(
    "masks",
    [
        Masks({"0.weight": torch.ones(2, 2) > 0, "nowhere.weight": torch.ones(1) > 0}),
        Masks({"0.weight": torch.ones(2, 2) > 0, "1.weight": torch.ones(2, 2) > 0}),
    ],
)
def test_masks_for_another_model_are_refused_and_nothing_is_changed(masks: Masks) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    names = list(model.state_dict())
    with pytest.raises(MismatchError):
        to_torch_prune(model, masks)
    assert list(model.state_dict()) == names


def test_a_model_that_torch_pruned_already_is_refused(bert: PreTrainedModel) -> None:
    masks = masks_of(bert)
    to_torch_prune(bert, masks)
    with pytest.raises(MismatchError):
        to_torch_prune(bert, masks)


def test_a_model_without_masks_is_refused() -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("weight_mask", torch.ones(2, 2))  # no '<name>_orig' beside it
    with pytest.raises(ModelError, match="Linear carries no masks"):
        from_torch_prune(model)


def shared() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    return model


def test_a_parameter_that_two_modules_share_is_masked_in_both_and_stays_shared() -> None:
    model = shared()
    masks = Masks({"0.weight": torch.tensor([[True, False], [False, True]])})
    applied = copy.deepcopy(model)
    apply_masks(applied, masks)
    to_torch_prune(model, masks)
    inputs = torch.tensor([[1.0, 2.0]])
    torch.testing.assert_close(model(inputs), applied(inputs))
    assert model[0].weight_orig is model[1].weight_orig
    assert_same(from_torch_prune(model), masks)


def test_a_shared_parameter_with_two_different_masks_is_refused() -> None:
    model = shared()
    for layer, row in zip(model, ([1, 0], [0, 1]), strict=True):
        prune.custom_from_mask(layer, "weight", torch.tensor([row, row]))
    with pytest.raises(ModelError, match=r"'0\.weight' and '1\.weight' are one parameter"):
        from_torch_prune(model)
