from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from accelerate import Accelerator
from held import assert_zeros, network, some_masks
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import PreTrainedModel

from deepcuts import Budget, Masks, masked, score, select, verify_masks
from deepcuts.common.errors import InputError, InvariantError

MakeOptimizer = Callable[[list[nn.Parameter]], Optimizer]


OPTIMIZERS: dict[str, MakeOptimizer] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "AdamW, amsgrad": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, amsgrad=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=3),
}
if hasattr(torch.optim, "Adafactor"):  # since torch 2.5
    OPTIMIZERS["Adafactor"] = lambda p: torch.optim.Adafactor(p, lr=0.01, weight_decay=0.1)


EVERY = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


def data(number: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(number)
    return torch.randn(8, 5, generator=generator), torch.randn(8, 1, generator=generator)


def step(model: nn.Module, optimizer: Optimizer, number: int) -> None:
    inputs, targets = data(number)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        return loss

    optimizer.step(closure)


@EVERY
def test_cut_weights_are_zero_after_every_step(make: MakeOptimizer) -> None:
    model = network()
    masks = some_masks(model)
    optimizer = make(list(model.parameters()))
    with masked(model, masks, optimizer):
        assert_zeros(model, masks)
        for number in range(4):
            step(model, optimizer, number)
            assert_zeros(model, masks)
    verify_masks(model, masks)


@EVERY
def test_cut_weights_stay_zero_though_the_optimizer_remembers_them(make: MakeOptimizer) -> None:
    """Momentum and adaptive moments, filled before the cut, push a weight without any gradient."""
    model = network()
    masks = some_masks(model)
    optimizer = make(list(model.parameters()))
    for number in range(3):
        step(model, optimizer, number)
    with masked(model, masks, optimizer):
        for number in range(3, 6):
            step(model, optimizer, number)
            assert_zeros(model, masks)
    step(model, optimizer, 6)  # the hooks are gone, so now they come back
    with pytest.raises(InvariantError):
        verify_masks(model, masks)


@EVERY
def test_kept_weights_train_as_if_multiplied_by_the_mask_after_each_step(make: MakeOptimizer) -> None:
    model, reference = network(), network()
    masks = some_masks(model)
    optimizer, its_optimizer = (make(list(each.parameters())) for each in (model, reference))

    def multiply() -> None:
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                parameter.mul_(masks[name])

    start = model[0].weight.detach().clone()
    multiply()
    with masked(model, masks, optimizer):
        for number in range(4):
            step(model, optimizer, number)
            step(reference, its_optimizer, number)
            multiply()
    for (name, ours), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    kept = masks["0.weight"]
    assert (model[0].weight[kept] != start[kept]).any(), "nothing was trained"


def test_gradients_may_be_accumulated_over_steps() -> None:
    model = network()
    masks = some_masks(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    with masked(model, masks, optimizer):
        for number in range(6):
            inputs, targets = data(number)
            nn.functional.mse_loss(model(inputs), targets).backward()
            if number % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
            assert_zeros(model, masks)


def test_masks_are_held_under_mixed_precision_and_a_scaler_that_skips_a_step() -> None:
    model = network()
    masks = some_masks(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    with masked(model, masks, optimizer):
        start = [parameter.detach().clone() for parameter in model.parameters()]
        for number in range(4):
            inputs, targets = data(number)
            with torch.autocast("cpu", torch.bfloat16):
                loss = nn.functional.mse_loss(model(inputs).float(), targets)
            overflow = torch.inf if number == 1 else 1.0
            scaler.scale(loss * overflow).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            assert_zeros(model, masks)
        assert scaler.get_scale() == 2.0  # halved by the step that was skipped
        assert any((now != then).any() for now, then in zip(model.parameters(), start, strict=True))


def test_two_optimizers_hold_the_masks_both() -> None:
    model = network()
    masks = some_masks(model)
    optimizers = [torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9) for layer in (model[0], model[2])]
    for number in range(2):
        for optimizer in optimizers:
            step(model, optimizer, number)
    with masked(model, masks, *optimizers):
        for number in range(3):
            for optimizer in optimizers:
                step(model, optimizer, number)
                assert_zeros(model, masks)


def test_masks_may_be_for_some_parameters_alone() -> None:
    model, free = network(), network()
    masks = some_masks(model, ["2.weight"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with masked(model, masks, optimizer):
        assert_zeros(model, masks)
        for name, parameter in free.named_parameters():
            if name != "2.weight":
                assert torch.equal(dict(model.named_parameters())[name], parameter)
        step(model, optimizer, 0)
        assert_zeros(model, masks)
    for name, parameter in model.named_parameters():
        if name != "2.weight":
            assert parameter.detach().all(), "a weight without a mask was cut"


def test_a_learning_rate_scheduler_may_wrap_the_step() -> None:
    model = network()
    masks = some_masks(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with masked(model, masks, optimizer):
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch)
        for number in range(3):
            step(model, optimizer, number)
            scheduler.step()
            assert_zeros(model, masks)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_hooks_are_gone_after_an_exception_which_is_the_one_that_is_seen(error: type[BaseException]) -> None:
    model = network()
    masks = some_masks(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def broken() -> None:
        with masked(model, masks, optimizer):
            assert len(optimizer._optimizer_step_post_hooks) == 1
            nn.init.ones_(model[0].weight)  # also broken, but that is not what went wrong
            raise error

    with pytest.raises(error):
        broken()
    assert not optimizer._optimizer_step_post_hooks


def test_hooks_are_gone_afterwards_and_those_of_others_stay() -> None:
    model = network()
    calls = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    theirs = optimizer.register_step_post_hook(lambda *_: calls.append(1))
    with masked(model, some_masks(model), optimizer):
        step(model, optimizer, 0)
    step(model, optimizer, 1)
    assert list(optimizer._optimizer_step_post_hooks) == [theirs.id]
    assert len(calls) == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precision_are_held_too(dtype: torch.dtype) -> None:
    model = network().to(dtype)
    masks = some_masks(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with masked(model, masks, optimizer):
        for number in range(3):
            inputs, targets = (value.to(dtype) for value in data(number))
            optimizer.zero_grad()
            nn.functional.mse_loss(model(inputs), targets).backward()
            optimizer.step()
            verify_masks(model, masks)
    assert model[0].weight.dtype is dtype


@pytest.mark.parametrize("other", [object(), "AdamW", None])
def test_what_is_no_optimizer_is_refused_before_the_model_is_touched(other: object) -> None:
    model = network()
    good = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(InputError, match=f"optimizer: got '{type(other).__name__}'"):  # noqa: SIM117
        with masked(model, some_masks(model), good, other):  # type: ignore[arg-type]
            pytest.fail("the masks were held")
    assert model[0].weight.detach().all()
    assert not good._optimizer_step_post_hooks


def test_masks_are_not_changed_by_training(bert: PreTrainedModel, batches: list[dict[str, Tensor]]) -> None:
    masks = select(score(bert, [], ["Random"])["Random"], Budget.from_density(0.5))
    copies = {name: mask.clone() for name, mask in masks.items()}
    optimizer = torch.optim.AdamW(bert.parameters(), lr=0.01)
    with masked(bert, masks, optimizer):
        bert(**batches[0]).loss.backward()
        optimizer.step()
    assert all(torch.equal(masks[name], copy) for name, copy in copies.items())


def test_masks_are_held_through_an_optimizer_that_accelerate_prepared() -> None:
    accelerator = Accelerator(cpu=True)
    layer = nn.Linear(4, 3)
    masks = Masks({"weight": torch.rand(3, 4) < 0.5})
    model, optimizer = accelerator.prepare(layer, torch.optim.AdamW(layer.parameters(), lr=0.1))
    with masked(layer, masks, optimizer):
        for _ in range(3):
            accelerator.backward(model(torch.ones(2, 4)).square().sum())
            optimizer.step()
            assert layer.weight[~masks["weight"]].eq(0).all()
            assert layer.weight[masks["weight"]].ne(0).all()
