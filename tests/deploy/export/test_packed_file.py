from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pruned_models import pruned_run, same_bits, tiny_pruned
from safetensors.torch import load_file

from deepcuts import Masks, load_pruned
from deepcuts.common import tensor_file
from deepcuts.common.errors import FileFormatError
from deepcuts.deploy.export.folders import save_sparse
from deepcuts.deploy.export.packed_file import KIND, is_packed, pack, unpack
from deepcuts.masks.bits import TensorBits
from deepcuts.models.sparse_checkpoint import digest, encode


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    run = pruned_run(folder / "run")
    model, tokenizer = load_pruned(run)
    save_sparse(model, Masks.load(run / "masks.safetensors"), folder / "sparse", tokenizer=tokenizer)
    return folder / "sparse"


@pytest.fixture(scope="module")
def packed(sparse: Path) -> Path:
    path = sparse.parent / "model.packed"
    pack(sparse, path)
    return path


def test_the_folder_comes_back_byte_for_byte(sparse: Path, packed: Path, tmp_path: Path) -> None:
    unpack(packed, tmp_path / "again")
    assert files(tmp_path / "again") == files(sparse)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files(sparse).keys()


def test_packing_twice_gives_the_same_file(sparse: Path, packed: Path, tmp_path: Path) -> None:
    pack(sparse, tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_types_come_back_too(dtype: torch.dtype, tmp_path: Path) -> None:
    model, masks = tiny_pruned()
    save_sparse(model.to(dtype), masks, tmp_path / "sparse")
    pack(tmp_path / "sparse", tmp_path / "packed")
    unpack(tmp_path / "packed", tmp_path / "again")
    assert files(tmp_path / "again") == files(tmp_path / "sparse")
    assert load_file(tmp_path / "again" / "model.safetensors")["classifier.bias"].dtype is dtype


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 40), min_size=1, max_size=3),
            st.sampled_from([0.0, 0.01, 0.5, 1.0]),
            st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 2**32 - 1),
)
def test_any_tensors_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    described: list[tuple[list[int], float, torch.dtype]],
    seed: int,
) -> None:
    """Values are random bytes, so they hold NaN payloads, infinities and −0."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("any")
    generator = np.random.default_rng(seed)
    tensors: dict[str, torch.Tensor] = {"steps": torch.tensor([1, -5]), "flags": torch.tensor([True, False])}
    masks: dict[str, TensorBits] = {}
    for number, (shape, density, dtype) in enumerate(described):
        kept = generator.random(shape) < density
        raw = generator.integers(0, 256, (*shape, dtype.itemsize)).astype(np.uint8)
        raw[~kept] = 0
        tensors[f"layer.{number}"] = torch.from_numpy(raw).view(dtype).reshape(shape)
        masks[f"layer.{number}"] = TensorBits(tuple(shape), np.packbits(kept.reshape(-1)))
    encoded = encode(tensors, masks)
    shapes = {name: list(mask.shape) for name, mask in masks.items()}
    save_file(encoded, folder / "model.safetensors", {"format": "pt"})
    written = {
        "quant_method": "deepcuts-sparse",
        "format": 1,
        "shapes": shapes,
        "digest": digest(encoded, shapes),
    }
    (folder / "config.json").write_text(json.dumps({"quantization_config": written}))
    pack(folder, folder.parent / f"{folder.name}.packed")
    unpack(folder.parent / f"{folder.name}.packed", folder.parent / f"{folder.name}.again")
    assert files(folder.parent / f"{folder.name}.again") == files(folder)


def test_it_loads_as_the_sparse_folder_does(sparse: Path, packed: Path) -> None:
    assert is_packed(packed)
    assert not is_packed(sparse)
    first, tokenizer = load_pruned(sparse)
    second, _ = load_pruned(packed)
    assert same_bits(first.state_dict(), second.state_dict())
    assert tokenizer("the dog")["input_ids"]


def test_a_truncated_an_altered_and_another_file_are_refused(
    packed: Path, tmp_path: Path, sparse: Path
) -> None:
    content = packed.read_bytes()
    (tmp_path / "cut").write_bytes(content[:-100])
    (tmp_path / "flipped").write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    (tmp_path / "text").write_text("hello")
    for name in ("cut", "flipped", "text", "nowhere"):
        with pytest.raises(FileFormatError, match=name):
            unpack(tmp_path / name, tmp_path / "out")
    with pytest.raises(FileFormatError, match="'masks', not packed model"):
        unpack(sparse.parent / "run" / "masks.safetensors", tmp_path / "out")
    with pytest.raises(FileFormatError):
        pack(sparse.parent / "run" / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", "..", "model.safetensors", "a\\b"])
def test_a_file_can_not_write_elsewhere(packed: Path, tmp_path: Path, name: str) -> None:
    streams, header = tensor_file.load(packed, KIND)
    header["files"][0][0] = name
    tensor_file.save(
        tmp_path / "bad", KIND, streams, {k: v for k, v in header.items() if k not in ("kind", "format")}
    )
    with pytest.raises(FileFormatError, match="no name for a file"):
        unpack(tmp_path / "bad", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad"]


@pytest.mark.parametrize("change", ["pruned", "values", "others", "masks"])
def test_a_header_that_does_not_fit_its_streams_is_refused(packed: Path, tmp_path: Path, change: str) -> None:
    streams, header = tensor_file.load(packed, KIND)
    if change == "masks":
        header["masks"] = "bits" if header["masks"] == "gaps" else "gaps"
    else:
        header[change] = header[change][:-1]
    tensor_file.save(
        tmp_path / "bad", KIND, streams, {k: v for k, v in header.items() if k not in ("kind", "format")}
    )
    with pytest.raises(FileFormatError):
        unpack(tmp_path / "bad", tmp_path / "out")
    assert not (tmp_path / "out").exists()
