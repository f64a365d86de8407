from __future__ import annotations

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts import rewind, snapshot
from deepcuts.common.digests import tensor_bytes
from deepcuts.common.errors import InvariantError, MismatchError

# A NaN with a payload, a negative zero, the smallest number above 0, an infinity
ODD_BITS = torch.tensor([0x7FC00123, -0x80000000, 0x00000001, 0x7F800000], dtype=torch.int32)


class Everything(nn.Module):
    """Parameters and buffers of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.odd = nn.Parameter(ODD_BITS.view(torch.float32).clone())
        self.short = nn.Parameter(torch.randn(3).half())
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)
        self.shared = self.linear.weight
        self.register_buffer("saved", torch.tensor([True, False]))
        self.register_buffer("not_saved", torch.randn(2, 2), persistent=False)
        self.register_buffer("none", None)

    def everything(self) -> dict[str, Tensor]:
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}


@torch.no_grad()
def spoil(model: nn.Module) -> None:
    """Change every single value."""
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.copy_(~tensor if tensor.dtype is torch.bool else torch.full_like(tensor, 3))


def bytes_of(model: Everything) -> dict[str, Tensor]:
    return {name: tensor_bytes(tensor).clone() for name, tensor in model.everything().items()}


def test_rewinding_restores_every_bit_of_every_parameter_and_buffer() -> None:
    model = Everything()
    before = bytes_of(model)
    assert set(before) >= {"odd", "frozen", "not_saved", "saved", "norm.num_batches_tracked"}
    start = snapshot(model)
    spoil(model)
    spoiled = bytes_of(model)
    assert not [name for name in before if torch.equal(spoiled[name], before[name])]
    rewind(model, start)
    after = bytes_of(model)
    assert list(after) == list(before)
    for name, value in before.items():
        assert torch.equal(after[name], value), name
    assert torch.equal(model.odd.detach().view(torch.int32), ODD_BITS)


def test_a_snapshot_does_not_follow_the_model() -> None:
    model = Everything()
    start = snapshot(model)
    digest = start.digest
    spoil(model)
    assert start.digest == digest
    assert snapshot(model).digest != digest


def test_the_model_does_not_follow_a_snapshot() -> None:
    model = Everything()
    start = snapshot(model)
    rewind(model, start)
    before = bytes_of(model)
    for tensor in start.tensors.values():
        tensor.zero_()
    assert all(torch.equal(value, before[name]) for name, value in bytes_of(model).items())


def test_no_memory_is_shared_before_or_after_rewinding() -> None:
    model = Everything()
    start = snapshot(model)
    for _ in range(2):
        theirs = {tensor.untyped_storage().data_ptr() for tensor in model.everything().values()}
        ours = {tensor.untyped_storage().data_ptr() for tensor in start.tensors.values()}
        assert not theirs & ours
        rewind(model, start)


def test_a_snapshot_serves_many_rewinds() -> None:
    model = tiny("bert")
    batch = tiny_batches(model)[0]
    start = snapshot(model)
    ends = []
    for _ in range(2):
        rewind(model, start)
        assert snapshot(model).digest == start.digest
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        ends.append(snapshot(model).digest)
    assert ends[0] == ends[1] != start.digest


def test_parameters_stay_the_same_objects_with_gradients_and_flags() -> None:
    model = Everything()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = model.everything()
    model.linear.weight.grad = torch.ones(2, 3)
    start = snapshot(model)
    spoil(model)
    rewind(model, start)
    assert all(tensor is before[name] for name, tensor in model.everything().items())
    assert model.shared is model.linear.weight
    assert model.linear.weight.requires_grad
    assert not model.frozen.requires_grad
    assert torch.equal(model.linear.weight.grad, torch.ones(2, 3))
    optimizer.step()
    assert torch.equal(model.linear.weight, start.tensors["shared"] - 1)


def test_copies_need_no_gradients_and_are_on_the_cpu() -> None:
    for tensor in snapshot(Everything()).tensors.values():
        assert not tensor.requires_grad
        assert tensor.device.type == "cpu"


@pytest.mark.parametrize(
    "other",
    [
        nn.Sequential(nn.Linear(3, 2)),  # other names
        nn.Linear(3, 3),  # another shape
        nn.Linear(3, 2, bias=False),  # one fewer
        nn.Bilinear(3, 3, 2),
    ],
)
def test_a_snapshot_of_another_model_is_refused_and_nothing_is_changed(other: nn.Module) -> None:
    start = snapshot(nn.Linear(3, 2))
    before = snapshot(other).digest
    with pytest.raises(MismatchError, match="of another model"):
        rewind(other, start)
    assert snapshot(other).digest == before


def test_a_snapshot_with_a_buffer_more_is_refused() -> None:
    model = nn.Linear(3, 2)
    model.register_buffer("more", torch.zeros(1), persistent=False)
    start = snapshot(model)
    del model.more
    with pytest.raises(MismatchError):
        rewind(model, start)


def test_values_that_do_not_survive_the_copy_are_found() -> None:
    """A buffer in the memory of a parameter: copying the one changes the other."""
    model = nn.Linear(3, 2)
    model.register_buffer("row", model.weight.detach()[0])
    start = snapshot(model)
    start.tensors["row"] += 1
    with pytest.raises(InvariantError, match="'weight' was not restored bit for bit"):
        rewind(model, start)


def test_a_model_of_another_type_is_refused_before_anything_is_written() -> None:
    model = nn.Linear(2, 2)
    start = snapshot(model)
    model.half()
    before = model.weight.detach().clone()
    start.tensors["weight"] += 1
    with pytest.raises(MismatchError, match="types"):
        rewind(model, start)
    assert torch.equal(model.weight, before)
