from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pruned_models import tiny_pruned
from safetensors.torch import load_file, save_file

from deepcuts.common.errors import FileFormatError, InvariantError, MismatchError
from deepcuts.deploy.export.folders import save_dense, save_sparse
from deepcuts.masks.bits import TensorBits
from deepcuts.models.sparse_checkpoint import encode, is_sparse, mask_name, read_sparse

NAME = "bert.encoder.layer.0.intermediate.dense.weight"
MASK = "bert.encoder.layer.0.intermediate.dense.bitmask_weight"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sparse") / "model"
    model, masks = tiny_pruned()
    save_sparse(model, masks, folder)
    return folder


def test_the_parts_are_the_bits_of_the_masks_and_the_kept_weights_in_order(saved: Path) -> None:
    model, masks = tiny_pruned()
    found = read_sparse(saved)
    assert found.pruned.keys() == masks.keys()
    for name, mask in masks.items():
        part = found.pruned[name]
        assert part.shape == tuple(mask.shape)
        assert part.mask.bits.tolist() == np.packbits(mask.numpy().reshape(-1)).tolist()
        expected = [
            w for w, kept in zip(model.get_parameter(name).flatten(), mask.flatten(), strict=True) if kept
        ]
        assert part.values.tolist() == [w.item() for w in expected]
    state = model.state_dict()
    assert found.others.keys() == state.keys() - masks.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.others.items())
    assert found.config["model_type"] == "bert"
    assert {name: part.to_bools().tolist() for name, part in found.masks.items()} == {
        name: mask.tolist() for name, mask in masks.items()
    }


def test_names_in_the_file() -> None:
    assert mask_name(NAME) == MASK
    assert mask_name("weight") == "bitmask_weight"


def test_masks_that_do_not_fit_are_refused() -> None:
    mask = TensorBits((2,), np.array([0b10000000], np.uint8))
    with pytest.raises(MismatchError, match=r"no tensor 'x'"):
        encode({"w": torch.zeros(2)}, {"x": mask})
    with pytest.raises(MismatchError, match=r"'w': .*\(3,\)"):
        encode({"w": torch.zeros(3)}, {"w": mask})
    with pytest.raises(InvariantError, match=r"'w': 1 weights"):
        encode({"w": torch.ones(2)}, {"w": mask})


def test_other_folders_are_told_apart(saved: Path, tmp_path: Path) -> None:
    assert is_sparse(saved)
    save_dense(tiny_pruned()[0], tmp_path / "dense")
    for other in (tmp_path / "dense", tmp_path, tmp_path / "nowhere"):
        assert not is_sparse(other)
    with pytest.raises(FileFormatError, match="no model in the sparse format"):
        read_sparse(tmp_path / "dense")
    with pytest.raises(FileFormatError, match="can't be read"):
        read_sparse(tmp_path / "nowhere")


def _tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return act


def _config(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        change(config["quantization_config"])
        (folder / "config.json").write_text(json.dumps(config))

    return act


def _flip(tensors: dict[str, torch.Tensor], name: str) -> None:
    raw = tensors[name].view(torch.uint8)
    raw[len(raw) // 2] ^= 1


def _cut(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-20])


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a bit of a mask": (_tensors(lambda t: _flip(t, MASK)), "digest"),
    "a bit of a value": (_tensors(lambda t: _flip(t, NAME)), "digest"),
    "a bit of another weight": (_tensors(lambda t: _flip(t, "classifier.bias")), "digest"),
    "no mask": (_tensors(lambda t: t.pop(MASK)), "digest"),
    "no values": (_tensors(lambda t: t.pop(NAME)), "digest"),
    "two tensors' values swapped": (
        _tensors(lambda t: t.update({NAME: t[NAME.replace("0", "1")], NAME.replace("0", "1"): t[NAME]})),
        "digest",
    ),
    "cut short": (_cut, "truncated"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no such file"),
    "another shape": (_config(lambda c: c["shapes"].update({NAME: [16, 24]})), "digest"),
    "no shape": (_config(lambda c: c["shapes"].update({NAME: "24"})), "no shapes"),
    "a later format": (_config(lambda c: c.update(format=2)), "reads format 1"),
    "no config": (lambda folder: (folder / "config.json").write_text("{"), "can't be read"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_refused(saved: Path, tmp_path: Path, damage: str) -> None:
    act, message = DAMAGE[damage]
    shutil.copytree(saved, tmp_path / "model")
    read_sparse(tmp_path / "model")
    act(tmp_path / "model")
    with pytest.raises(FileFormatError, match=message):
        read_sparse(tmp_path / "model")
