"""Pruned models whose digest is right and whose content is not: refused before anything is made of them."""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from crafted import Change, a_file_of_each, crafted, of_header, refused, without
from safetensors.torch import load_file, save_file
from torch import Tensor

from deepcuts import load_pruned
from deepcuts.deploy.export.packed_file import KIND, unpack
from deepcuts.deploy.runtime import load as load_runtime
from deepcuts.masks.bits import MaskBits
from deepcuts.models.sparse_checkpoint import digest, read_sparse
from deepcuts.scoring.scores import Scores


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_file_of_each(tmp_path_factory.mktemp("made"))


def bomb(size: int) -> Tensor:
    coder = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return torch.frombuffer(bytearray(coder.compress(bytes(size)) + coder.flush()), dtype=torch.uint8)


def xz(content: bytes, **more: Any) -> Tensor:
    return torch.frombuffer(bytearray(lzma.compress(content, **more)), dtype=torch.uint8)


def first_file(name: str) -> Change:
    return lambda tensors, header: header["files"][0].__setitem__(0, name)


def grown(group: str, shape: list[int]) -> Change:
    """The first tensor of a group has another shape."""
    return lambda tensors, header: header[group][0].__setitem__(-1, shape)


WIDE_DICTIONARY = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**28}]
PACKED: dict[str, Change] = {
    **{f"no {name}": without(name) for name in ("files", "masks", "pruned", "values", "others", "metadata")},
    **{
        f"{name} of another type": of_header(name, 7)
        for name in ("files", "masks", "pruned", "values", "others", "metadata")
    },
    **{f"{name} null": of_header(name, None) for name in ("files", "masks", "pruned", "values", "others")},
    **{
        f"a file named {name!r}": first_file(name)
        for name in ("", ".", "..", "../x", "/etc/x", "a/b", "a\\b", "c:x", "a\0b", "a\nb", ".x", "x" * 256)
    },
    "a file whose name is a number": first_file(3),  # type: ignore[arg-type]
    "the weights as a file": first_file("model.safetensors"),
    "a file twice": lambda tensors, header: header["files"].append(["config.json", 0]),
    "a negative length": lambda tensors, header: header["files"].append(["more", -5]),
    "a length of 2 GB": lambda tensors, header: header["files"].append(["more", 2 * 10**9]),
    "a length beyond 64 bits": lambda tensors, header: header["files"].append(["more", 2**70]),
    "a length as text": lambda tensors, header: header["files"].append(["more", "5"]),
    "no config": lambda tensors, header: header["files"].__setitem__(0, ["more", header["files"][0][1]]),
    "metadata of numbers": of_header("metadata", {"format": 1}),
    "metadata of lists": of_header("metadata", {"format": ["pt"]}),
    "pruned overflowing": grown("pruned", [2**32, 2**32]),
    "pruned negative": grown("pruned", [-16, -16]),
    "pruned of 4e9": grown("pruned", [4 * 10**9]),
    "pruned of 1e14": grown("pruned", [10**7, 10**7]),
    "values of 4e9": grown("values", [4 * 10**9]),
    "values negative": grown("values", [-1]),
    "others of 4e9": grown("others", [4 * 10**9]),
    "others overflowing": grown("others", [2**40, 2**40]),
    "a type that is none": lambda tensors, header: header["others"][0].__setitem__(1, "nn"),
    "a type that is not stored": lambda tensors, header: header["others"][0].__setitem__(1, "complex64"),
    "a name twice": lambda tensors, header: header["others"].append(header["others"][0]),
    "a value's name in others": lambda tensors, header: header["others"].append(header["values"][0]),
    "pruned without values": lambda tensors, header: header["values"].pop(0),
    "no stream of masks": lambda tensors, header: tensors.pop("masks"),
    "no stream of files": lambda tensors, header: tensors.pop("files"),
    "a stream of floats": lambda tensors, header: tensors.__setitem__("masks", torch.zeros(9)),
    "masks that expand": lambda tensors, header: tensors.__setitem__("masks", bomb(2 * 10**7)),
    "values that expand": lambda tensors, header: tensors.__setitem__("values.float32.0", bomb(2 * 10**7)),
    "files that expand": lambda tensors, header: tensors.__setitem__("files", xz(bytes(10**7))),
    "files with a wide dictionary": lambda tensors, header: tensors.__setitem__(
        "files", xz(b"{}", filters=WIDE_DICTIONARY)
    ),
    "files that are none": lambda tensors, header: tensors.__setitem__("files", torch.zeros(99).byte()),
    "masks in another form": of_header("masks", "bites"),
}


@pytest.mark.parametrize("change", PACKED.values(), ids=PACKED.keys())
def test_packed(made: Path, tmp_path: Path, change: Change) -> None:
    path = crafted(made, tmp_path / "bad", "packed", KIND, change)
    refused(lambda: unpack(path, tmp_path / "out"))
    assert [found.name for found in tmp_path.iterdir()] == ["bad"]


def sparse_folder(made: Path, target: Path, change: Change) -> Path:
    """The sparse folder, changed, under the digest of what it holds now."""
    target.mkdir()
    for file in (made / "sparse").iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    config = json.loads((target / "config.json").read_text())
    tensors = load_file(target / "model.safetensors")
    described = config["quantization_config"]
    change(tensors, described)
    if isinstance(described.get("shapes"), dict) and all(
        isinstance(one, list) for one in described["shapes"].values()
    ):
        described["digest"] = digest(tensors, described["shapes"])
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    (target / "config.json").write_text(json.dumps(config))
    return target


NAME = "bert.encoder.layer.1.attention.self.query.weight"
MASK = "bert.encoder.layer.1.attention.self.query.bitmask_weight"


def of_shape(shape: Any) -> Change:
    return lambda tensors, described: described["shapes"].__setitem__(NAME, shape)


def of_values(made_of: Callable[[Tensor], Tensor]) -> Change:
    return lambda tensors, described: tensors.__setitem__(NAME, made_of(tensors[NAME]))


SPARSE: dict[str, Change] = {
    "no shapes": without("shapes"),
    "shapes of another type": of_header("shapes", 3),
    "overflowing": of_shape([2**32, 2**32]),
    "negative": of_shape([-16, -16]),
    "huge": of_shape([10**7, 10**7]),
    "fractions": of_shape([16.0, 16.0]),
    "another shape": of_shape([16, 17]),
    "values of int32": of_values(lambda values: values.int()),
    "values of bool": of_values(lambda values: values.bool()),
    "values in rows": of_values(lambda values: values[None]),
    "a value too many": of_values(lambda values: torch.cat([values, values[:1]])),
    "no mask": lambda tensors, described: tensors.pop(MASK),
    "no values": lambda tensors, described: tensors.pop(NAME),
    "a mask of int32": lambda tensors, described: tensors.__setitem__(MASK, tensors[MASK].int()),
    "a mask with another bit": lambda tensors, described: tensors.__setitem__(MASK, tensors[MASK] ^ 1),
}


@pytest.mark.parametrize("change", SPARSE.values(), ids=SPARSE.keys())
def test_sparse(made: Path, tmp_path: Path, change: Change) -> None:
    folder = sparse_folder(made, tmp_path / "bad", change)
    refused(lambda: read_sparse(folder), "bad")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_of_no_numbers_is_not_made(made: Path, tmp_path: Path, value: float) -> None:
    folder = sparse_folder(made, tmp_path / "bad", of_values(lambda values: values.fill_(value)))
    for load in (load_pruned, load_runtime):
        with pytest.raises(Exception, match=r"NaN"):
            load(folder)


def test_the_right_files_are_read(made: Path, tmp_path: Path) -> None:
    """What the tests above change is otherwise in order."""
    assert MaskBits.load(crafted(made, tmp_path / "m", "masks", "masks", lambda *_: None))["a"].kept == 2
    assert len(Scores.load(crafted(made, tmp_path / "s", "scores", "scores", lambda *_: None))) == 2
    unpack(crafted(made, tmp_path / "p", "packed", KIND, lambda *_: None), tmp_path / "out")
    assert NAME in read_sparse(sparse_folder(made, tmp_path / "sparse", lambda *_: None)).pruned
    assert np.array_equal(
        load_file(tmp_path / "out" / "model.safetensors")[MASK],
        load_file(made / "sparse" / "model.safetensors")[MASK],
    )
