"""Masks applied to a model and verified on it, and models and masks that do not fit together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from held import assert_zeros, network, some_masks
from torch import nn

from deepcuts import Masks, apply_masks, masked, verify_masks
from deepcuts.common.errors import InvariantError, MismatchError


def test_what_else_writes_to_a_cut_weight_is_found_on_leaving() -> None:
    model = network()
    masks = some_masks(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def meddle() -> None:
        with masked(model, masks, optimizer), torch.no_grad():
            row, column = (~masks["0.weight"]).nonzero()[0]
            model[0].weight[row, column] = 0.5

    with pytest.raises(InvariantError, match=r"^1 cut weights of '0\.weight' are not 0$"):
        meddle()
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("value", [1e-38, -1.0, torch.nan, torch.inf])
def test_verify_finds_a_single_weight(value: float) -> None:
    model = network()
    masks = some_masks(model)
    apply_masks(model, masks)
    verify_masks(model, masks)
    place = (~masks["0.bias"]).nonzero()[0]
    with torch.no_grad():
        model[0].bias[place] = value
    with pytest.raises(InvariantError, match=r"^1 cut weights of '0\.bias'"):
        verify_masks(model, masks)


def test_verify_changes_nothing() -> None:
    model = network()
    with pytest.raises(InvariantError):
        verify_masks(model, some_masks(model))
    assert all(
        torch.equal(ours, its) for ours, its in zip(model.parameters(), network().parameters(), strict=True)
    )


def test_apply_gives_positive_zero_whatever_was_there() -> None:
    model = nn.Linear(6, 1, bias=False)
    values = torch.tensor([[-1.0, torch.nan, torch.inf, -torch.inf, -0.0, 7.0]])
    with torch.no_grad():
        model.weight.copy_(values)
    apply_masks(model, Masks({"weight": torch.tensor([[False] * 5 + [True]])}))
    assert model.weight.detach().view(torch.int32)[0, :5].tolist() == [0] * 5
    assert model.weight[0, 5] == 7


def test_apply_keeps_kept_weights_bit_for_bit() -> None:
    model = nn.Linear(3, 1, bias=False)
    bits = torch.tensor([[0x7FC00123, -0x80000000, 0x00000001]], dtype=torch.int32)  # NaN, -0, the smallest
    with torch.no_grad():
        model.weight.copy_(bits.view(torch.float32))
    apply_masks(model, Masks({"weight": torch.ones(1, 3, dtype=torch.bool)}))
    assert torch.equal(model.weight.detach().view(torch.int32), bits)


def test_applying_is_the_same_once_or_twice_and_keeps_the_parameter_object() -> None:
    model = network()
    before = list(model.parameters())
    masks = some_masks(model)
    apply_masks(model, masks)
    once = [parameter.detach().clone() for parameter in model.parameters()]
    apply_masks(model, masks)
    for old, new, copy in zip(before, model.parameters(), once, strict=True):
        assert old is new
        assert torch.equal(new, copy)
        assert new.requires_grad


def test_without_an_optimizer_apply_is_called_by_hand() -> None:
    model = network()
    masks = some_masks(model)
    with masked(model, masks) as held:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(0.1)
        held.apply()
        assert_zeros(model, masks)
        held.verify()


@pytest.mark.parametrize("use", [apply_masks, verify_masks])
def test_masks_for_another_model_are_refused(use: Callable[[nn.Module, Masks], None]) -> None:
    model = network()
    with pytest.raises(MismatchError, match="no parameter 'elsewhere'"):
        use(model, Masks({"0.bias": torch.zeros(7, dtype=torch.bool), "elsewhere": torch.ones(1) > 0}))
    with pytest.raises(MismatchError, match=r"'0\.bias' has shape \(7,\), its mask \(1,\)"):
        use(model, Masks({"0.bias": torch.zeros(1, dtype=torch.bool)}))
    assert model[0].bias.detach().all(), "masks that fit in part were applied in part"
