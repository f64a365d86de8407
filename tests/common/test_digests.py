from __future__ import annotations

import hashlib
import struct

import pytest
import torch

from deepcuts.common.digests import tensor_bytes, tensors_digest


def digest(**tensors: torch.Tensor) -> str:
    return tensors_digest(tensors.items())


def test_digest_is_the_same_on_every_machine() -> None:
    """Digests are compared between files written at different times and places."""
    text = (
        b"a\x1ftorch.float32\x1f(1, 2)\x1e"
        + struct.pack("<ff", 1.0, 2.0)
        + b"b\x1ftorch.bool\x1f(1,)\x1e\x01"
    )
    found = digest(a=torch.tensor([[1.0, 2.0]]), b=torch.tensor([True]))
    assert found == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        {"b": torch.tensor([1.0, 2.0])},  # another name
        {"a": torch.tensor([[1.0, 2.0]])},  # another shape
        {"a": torch.tensor([1.0, 2.0]).view(torch.int32)},  # another type, the same bytes
        {"a": torch.tensor([1.0, 2.0000002])},  # one bit
        {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([])},  # one more tensor
        {"a": torch.tensor([1.0]), "b": torch.tensor([2.0])},  # cut elsewhere
        {},
    ],
)
def test_digest_tells_everything_apart(other: dict[str, torch.Tensor]) -> None:
    assert digest(**other) != digest(a=torch.tensor([1.0, 2.0]))


def test_digest_tells_the_signs_of_zero_and_the_payloads_of_nan_apart() -> None:
    nans = [torch.tensor([bits], dtype=torch.int32).view(torch.float32) for bits in (0x7FC00000, 0x7FC00001)]
    assert digest(a=torch.tensor([0.0])) != digest(a=torch.tensor([-0.0]))
    assert digest(a=nans[0]) != digest(a=nans[1])


def test_digest_is_of_values_not_of_memory_layout() -> None:
    tensor = torch.arange(6.0).reshape(2, 3)
    assert digest(a=tensor.T) == digest(a=tensor.T.contiguous())
    assert digest(a=tensor[:, :2]) == digest(a=tensor[:, :2].clone())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (3,), (2, 3)])
def test_every_type_and_shape_has_bytes(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.ones(shape, dtype=dtype, requires_grad=dtype.is_floating_point)
    found = tensor_bytes(tensor)
    assert found.dtype is torch.uint8
    assert found.shape == (tensor.numel() * tensor.element_size(),)
    assert len(digest(a=tensor)) == 64


def test_bytes_are_those_of_memory() -> None:
    found = tensor_bytes(torch.tensor([[1.5, -0.0]]))
    assert bytes(found.tolist()) == struct.pack("<ff", 1.5, -0.0)
