from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from models import tiny
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from deepcuts import Budget, Masks, prunable_parameters, score, select
from deepcuts.common import tensor_file
from deepcuts.common.errors import FileFormatError, MismatchError

# Any name that UTF-8 can write; 0-dimensional and empty tensors, and sizes that fill no byte.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SHAPES = st.one_of(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9), st.just(()))
MASKS = st.dictionaries(
    NAMES,
    hnp.arrays(np.bool_, SHAPES).map(lambda array: torch.from_numpy(np.array(array))),
    min_size=1,
    max_size=5,
)


def assert_equal(first: Masks, second: Masks) -> None:
    assert list(first) == list(second)
    for name, mask in first.items():
        assert second[name].dtype is torch.bool
        assert second[name].shape == mask.shape
        assert torch.equal(second[name], mask)


@given(tensors=MASKS)
def test_masks_come_back_from_a_file(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    masks = Masks(tensors, {"budget": {"asked": "density 0.1"}, "λ": [1, None]})
    masks.save(tmp_path / "masks")
    loaded = Masks.load(tmp_path / "masks")
    assert_equal(masks, loaded)
    assert loaded.provenance == masks.provenance
    assert loaded.kept_by_tensor == masks.kept_by_tensor


def test_masks_of_views_come_back(tmp_path: Path) -> None:
    square = torch.rand(5, 5) > 0.5
    masks = Masks({"transposed": square.T, "column": square[:, 1]})
    masks.save(tmp_path / "masks")
    assert_equal(masks, Masks.load(tmp_path / "masks"))


def test_masks_of_bert_base_take_one_bit_a_weight_and_a_small_header(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig())
    generator = np.random.default_rng(0)
    tensors = {
        name: torch.from_numpy(
            np.unpackbits(
                np.frombuffer(generator.bytes(-(-parameter.numel() // 8)), np.uint8), count=parameter.numel()
            ).astype(bool)
        ).reshape(parameter.shape)
        for name, parameter in prunable_parameters(model).items()
    }
    example = select(score(tiny("bert"), [], ["Random"])["Random"], Budget.from_density(0.5))
    masks = Masks(tensors, example.provenance)
    masks.save(tmp_path / "masks")
    assert masks.total == 85_608_192
    assert (tmp_path / "masks").stat().st_size <= masks.total / 8 + 16 * 1024
    assert_equal(masks, Masks.load(tmp_path / "masks"))


def test_counts() -> None:
    masks = Masks({"a": torch.tensor([[True, False], [False, False]]), "b": torch.ones(4, dtype=torch.bool)})
    assert masks.kept_by_tensor == {"a": 1, "b": 4}
    assert (masks.kept, masks.total, masks.density) == (5, 8, 0.625)
    assert list(masks) == ["a", "b"]
    assert len(masks) == 2
    assert "a" in masks
    assert masks["b"].all()


def test_masks_never_change_and_are_not_printed() -> None:
    masks = Masks({"a": torch.ones(3, dtype=torch.bool)}, {"budget": {}})
    with pytest.raises(FrozenInstanceError):
        masks.tensors = {}  # type: ignore[misc]
    assert repr(masks) == "Masks()"


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_masks_are_bool_and_nothing_else(dtype: torch.dtype) -> None:
    with pytest.raises(MismatchError, match=r"'a\.weight' must be of type bool, not torch\."):
        Masks({"a.weight": torch.ones(2, dtype=dtype)})


@pytest.fixture
def written(tmp_path: Path) -> bytes:
    masks = Masks(
        {"a.weight": torch.rand(3, 5) > 0.5, "a.bias": torch.rand(3) > 0.5}, {"budget": {"density": 0.5}}
    )
    masks.save(tmp_path / "masks")
    return (tmp_path / "masks").read_bytes()


def load_bytes(folder: Path, content: bytes) -> Masks:
    path = folder / "altered"
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return Masks.load(path)


def test_a_mask_file_cut_short_anywhere_is_refused(tmp_path: Path, written: bytes) -> None:
    for length in range(len(written)):
        with pytest.raises(FileFormatError):
            load_bytes(tmp_path, written[:length])


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_mask_file_with_one_bit_flipped_is_refused(
    tmp_path: Path, written: bytes, position: int, bit: int
) -> None:
    altered = bytearray(written)
    altered[position % len(written)] ^= 1 << bit
    with pytest.raises(FileFormatError):
        load_bytes(tmp_path, bytes(altered))


def test_a_score_file_is_no_mask_file(tmp_path: Path) -> None:
    score(tiny("bert"), [], ["Random"])["Random"].save(tmp_path / "scores")
    with pytest.raises(FileFormatError, match="holds 'scores', not masks"):
        Masks.load(tmp_path / "scores")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nowhere: no such file"):
        Masks.load(tmp_path / "nowhere")


def test_counts_that_are_not_the_headers_are_refused(tmp_path: Path) -> None:
    """A second line of defence, for a file whose digest fits."""
    header: dict[str, Any] = {"layout": [["a", [4], 3]], "provenance": {}}
    tensor_file.save(
        tmp_path / "masks", "masks", {"bits": torch.tensor([0b11000000], dtype=torch.uint8)}, header
    )
    with pytest.raises(FileFormatError, match="'a' keeps 2 weights, its header says 3"):
        Masks.load(tmp_path / "masks")


def test_parameters_are_those_of_the_model_in_the_masks_order() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    masks = Masks({"1.weight": torch.ones(1, 3, dtype=torch.bool), "0.bias": torch.ones(3, dtype=torch.bool)})
    found = masks.parameters_of(model)
    assert list(found) == ["1.weight", "0.bias"]
    assert found["1.weight"] is model[1].weight


def test_masks_for_another_model_are_refused(tmp_path: Path) -> None:
    masks = select(score(tiny("bert"), [], ["Random"])["Random"], Budget.from_density(0.5))
    masks.save(tmp_path / "masks")
    loaded = Masks.load(tmp_path / "masks")
    assert list(loaded.parameters_of(tiny("bert"))) == list(masks)
    with pytest.raises(MismatchError, match=r"RobertaFor.* has no parameter 'bert\.encoder.*26 of 26"):
        loaded.parameters_of(tiny("roberta"))
    with pytest.raises(MismatchError, match=r"'bert\.encoder\.layer\.1\..*' \(12 of 26 are missing"):
        loaded.parameters_of(tiny("bert", num_hidden_layers=1))
    with pytest.raises(
        MismatchError, match=r"intermediate\.dense\.weight' has shape \(20, 16\), its mask \(24, 16\)"
    ):
        loaded.parameters_of(tiny("bert", intermediate_size=20))


def test_masks_are_equal_if_they_keep_the_same_weights(tmp_path: Path) -> None:
    tensors = {"a": torch.rand(3, 5) > 0.5, "b": torch.rand(7) > 0.5}
    masks, other = (
        Masks(tensors),
        Masks({name: mask.clone() for name, mask in tensors.items()}, {"budget": 1}),
    )
    masks.save(tmp_path / "masks")
    for same in (other, Masks.load(tmp_path / "masks"), Masks.from_bits(masks.to_bits())):
        assert masks == same
        assert hash(masks) == hash(same)
    assert masks.to_bits() == other.to_bits()
    assert hash(masks.to_bits()) == hash(other.to_bits())
    different = [
        Masks({**tensors, "b": ~tensors["b"]}),
        Masks({"a": tensors["a"]}),
        Masks({"b": tensors["b"], "a": tensors["a"]}),
        Masks({**tensors, "a": tensors["a"].T.contiguous()}),
        Masks({"a": tensors["a"], "c": tensors["b"]}),
    ]
    for one in different:
        assert masks != one
        assert masks.to_bits() != one.to_bits()
    assert masks != tensors
    assert len({masks, other, different[0]}) == 2
