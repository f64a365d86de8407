from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from accelerate import Accelerator
from models import tiny, tiny_batches
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import PreTrainedModel

from deepcuts import Budget, Masks, apply_masks, masked, score, select, verify_masks
from deepcuts.common.errors import InputError, InvariantError, MismatchError

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


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))


def some_masks(model: nn.Module, names: list[str] | None = None) -> Masks:
    generator = torch.Generator().manual_seed(1)
    chosen = {name: p for name, p in model.named_parameters() if names is None or name in names}
    return Masks({name: torch.rand(p.shape, generator=generator) > 0.5 for name, p in chosen.items()})


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


def assert_zeros(model: nn.Module, masks: Masks) -> None:
    """Every cut weight is +0 bit for bit."""
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        cut = parameters[name].detach()[~mask]
        assert cut.numel()
        assert torch.equal(cut.view(torch.int32), torch.zeros_like(cut).view(torch.int32)), name


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


@pytest.mark.parametrize("other", [object(), "AdamW", None])
def test_what_is_no_optimizer_is_refused_before_the_model_is_touched(other: object) -> None:
    model = network()
    good = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(InputError, match=f"optimizer: got '{type(other).__name__}'"):  # noqa: SIM117
        with masked(model, some_masks(model), good, other):  # type: ignore[arg-type]
            pytest.fail("the masks were held")
    assert model[0].weight.detach().all()
    assert not good._optimizer_step_post_hooks


@pytest.mark.parametrize("use", [apply_masks, verify_masks])
def test_masks_for_another_model_are_refused(use: Callable[[nn.Module, Masks], None]) -> None:
    model = network()
    with pytest.raises(MismatchError, match="no parameter 'elsewhere'"):
        use(model, Masks({"0.bias": torch.zeros(7, dtype=torch.bool), "elsewhere": torch.ones(1) > 0}))
    with pytest.raises(MismatchError, match=r"'0\.bias' has shape \(7,\), its mask \(1,\)"):
        use(model, Masks({"0.bias": torch.zeros(1, dtype=torch.bool)}))
    assert model[0].bias.detach().all(), "masks that fit in part were applied in part"


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
