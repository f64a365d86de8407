from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepcuts.common.errors import FileFormatError, InvariantError, MismatchError
from deepcuts.masks.bits import TensorBits
from deepcuts.masks.pruned_tensor import PrunedTensor

SPECIAL = [0x00000000, 0x80000000, 0x7FC00001, 0xFFC12345, 0x7F800000, 0x00000001, 0x3F800000]


def bits(mask: np.ndarray) -> TensorBits:
    return TensorBits(mask.shape, np.packbits(mask.reshape(-1)))


@st.composite
def tensors_and_masks(draw: st.DrawFn) -> tuple[torch.Tensor, np.ndarray]:
    """float32 tensors of odd shapes with NaN payloads, −0, infinities and kept zeros; cut weights are +0."""
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
    count = int(np.prod(shape))
    density = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = generator.random(count) < density
    patterns = np.where(
        generator.random(count) < 0.5,
        generator.integers(0, 2**32, count),
        generator.choice(SPECIAL, count),
    ).astype(np.uint32)
    patterns[~mask] = 0
    return torch.from_numpy(patterns.view(np.float32)).reshape(shape), mask.reshape(shape)


@given(tensors_and_masks())
def test_a_tensor_comes_back_bit_for_bit(case: tuple[torch.Tensor, np.ndarray]) -> None:
    dense, mask = case
    pruned = PrunedTensor.from_dense(dense, bits(mask))
    assert pruned.shape == tuple(dense.shape)
    assert pruned.values.numel() == int(mask.sum())
    again = pruned.dense()
    assert again.shape == dense.shape
    assert again.numpy().tobytes() == dense.numpy().tobytes()


def test_the_parts_by_hand() -> None:
    dense = torch.tensor([[1.0, 0.0, 0.0], [0.0, -2.0, 3.0], [0.0, 0.0, 4.0]])
    mask = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1]], bool)  # one kept weight is 0
    pruned = PrunedTensor.from_dense(dense, bits(mask))
    assert pruned.values.tolist() == [1.0, 0.0, -2.0, 3.0, 4.0]
    assert pruned.mask.bits.tolist() == [0b10101100, 0b10000000]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_any_type_comes_back(dtype: torch.dtype) -> None:
    dense = torch.tensor([0, 3, 0, 5]).to(dtype)
    again = PrunedTensor.from_dense(dense, bits(np.array([False, True, True, True]))).dense()
    assert again.dtype is dtype
    assert torch.equal(again, dense)


def test_negative_zero_is_a_bit_pattern_of_its_own() -> None:
    dense = torch.tensor([-0.0, 1.0])
    kept = PrunedTensor.from_dense(dense, bits(np.array([True, True]))).dense()
    assert struct.pack("<f", kept[0].item()) == b"\x00\x00\x00\x80"


def test_a_cut_weight_that_is_not_0_is_not_lost_silently() -> None:
    with pytest.raises(InvariantError, match="1 weights that the mask cuts are not 0"):
        PrunedTensor.from_dense(torch.tensor([1.0, 2.0]), bits(np.array([True, False])))
    with pytest.raises(InvariantError):
        PrunedTensor.from_dense(torch.tensor([1.0, float("nan")]), bits(np.array([True, False])))


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(MismatchError, match=r"\(2, 2\)"):
        PrunedTensor.from_dense(torch.zeros(2, 2), bits(np.ones(4, bool)))


@pytest.mark.parametrize(
    ("shape", "bits", "values", "message"),
    [
        ((9,), [0xFF], 8, "2 bytes"),
        ((8,), [0xFF, 0], 8, "1 bytes"),
        ((3,), [0b11110000], 4, "beyond its last weight"),
        ((8,), [0b11110000], 3, "keeps 4 weights"),
        ((8,), [0b11110000], 5, "keeps 4 weights"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    shape: tuple[int, ...], bits: list[int], values: int, message: str
) -> None:
    with pytest.raises(FileFormatError, match=message):
        PrunedTensor(TensorBits(shape, np.array(bits, np.uint8)), torch.ones(values))
