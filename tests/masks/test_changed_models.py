"""Masks on models whose parameters are shared, exchanged or changed in shape after masks were made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from held import assert_zeros, network, some_masks
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts import Budget, masked, score, select
from deepcuts.common.errors import InvariantError, MismatchError


def test_a_shared_parameter_is_held_once_and_for_all() -> None:
    model = tiny("albert")
    batches = tiny_batches(model, count=1)
    masks = select(score(model, [], ["GlobalMagWeight"])["GlobalMagWeight"], Budget.from_density(0.5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    with masked(model, masks, optimizer):
        model(**batches[0]).loss.backward()
        optimizer.step()
    found = sum(int(p.count_nonzero()) for n, p in model.named_parameters() if n in masks)
    assert found == masks.kept


def dense_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: torch.ones_like(tensor) for name, tensor in model.state_dict().items()}


def test_masks_are_held_on_what_the_model_has_now() -> None:
    """Replaced tensors are new objects, of which whoever kept the old ones knows nothing."""
    replacements: dict[str, Callable[[nn.Sequential], object]] = {
        "assigned": lambda model: model.load_state_dict(dense_state(model), assign=True),
        "set": lambda model: setattr(model[0], "weight", nn.Parameter(torch.ones(7, 5))),
        "module": lambda model: model.__setitem__(0, nn.Linear(5, 7)),
    }
    for name, replace in replacements.items():
        model = network()
        masks = some_masks(model, ["0.weight"])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with masked(model, masks, optimizer) as held:
            replace(model)
            with pytest.raises(InvariantError, match=r"cut weights of .0\.weight."):
                held.verify()
            optimizer.step()
            held.verify()
            assert model[0].weight[masks["0.weight"]].count_nonzero() == masks.kept, name
        assert_zeros(model, masks)
        with pytest.raises(InvariantError, match=r"0\.weight"), masked(model, masks, optimizer):
            replace(model)


def test_masks_of_a_model_that_has_changed_its_shape_are_refused() -> None:
    changes: dict[str, Callable[[nn.Sequential], object]] = {
        "has shape": lambda model: model.__setitem__(0, nn.Linear(6, 7)),
        "is gone": lambda model: torch.nn.utils.parametrizations.weight_norm(model[0]),
    }
    for message, change in changes.items():
        model = network()
        with pytest.raises(MismatchError, match=message), masked(model, some_masks(model, ["0.weight"])):
            change(model)


def test_a_shared_weight_is_held_under_all_its_names_also_once_they_are_parted() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    masks = some_masks(model, ["0.weight"])
    with masked(model, masks) as held:
        model.load_state_dict(dense_state(model), assign=True)
        assert model[0].weight is not model[1].weight
        held.apply()
    for layer in model:
        assert layer.weight[~masks["0.weight"]].count_nonzero() == 0
