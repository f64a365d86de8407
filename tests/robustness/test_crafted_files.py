"""Files whose digest is right and whose content is not: each is refused before anything is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from crafted import Change, Header, a_file_of_each, crafted, of_header, refused, without
from torch import Tensor

from deepcuts.deploy.export.packed_file import unpack
from deepcuts.masks.bits import MaskBits
from deepcuts.scoring.scores import Scores


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_file_of_each(tmp_path_factory.mktemp("made"))


def of_layout(row: int, column: int, value: Any) -> Change:
    return lambda tensors, header: header["layout"][row].__setitem__(column, value)


def of_bits(bits: Any, dtype: torch.dtype = torch.uint8) -> Change:
    return lambda tensors, header: tensors.__setitem__("bits", torch.tensor(bits, dtype=dtype))


MASKS: dict[str, Change] = {
    "no layout": without("layout"),
    "no provenance": without("provenance"),
    "layout of another type": of_header("layout", {"a": [1, 3]}),
    "layout of numbers": of_header("layout", [1, 2]),
    "layout null": of_header("layout", None),
    "provenance of another type": of_header("provenance", [1]),
    "no bits": lambda tensors, header: (tensors.pop("bits"), tensors.__setitem__("x", torch.zeros(1)))[0],
    "more tensors": lambda tensors, header: tensors.__setitem__("more", torch.zeros(1)),
    "bits of int32": of_bits([1, 2, 3], torch.int32),
    "bits of float": of_bits([160.0, 255.0, 255.0], torch.float32),
    "bits in rows": of_bits([[160, 255, 255]]),
    "negative": of_layout(0, 1, [-1, -3]),
    "one negative": of_layout(0, 1, [-1, 3]),
    "overflowing": of_layout(0, 1, [2**32, 2**32]),
    "beyond 64 bits": of_layout(0, 1, [2**70]),
    "huge beside nothing": of_layout(0, 1, [0, 2**63]),
    "90 TiB": of_layout(0, 1, [10**7, 10**7]),
    "65 dimensions": of_layout(0, 1, [1] * 65),
    "a shape of fractions": of_layout(0, 1, [1.0, 3.0]),
    "a shape of truth": of_layout(0, 1, [True, 3]),
    "a shape of text": of_layout(0, 1, "13"),
    "no shape": of_layout(0, 1, None),
    "a name twice": of_layout(1, 0, "a"),
    "a name that is none": of_layout(0, 0, 7),
    "a name that is a list": of_layout(0, 0, ["a"]),
    "bits beyond the last weight": of_bits([0b10100001, 255, 255]),
    "another bit": of_bits([0b11100000, 255, 255]),
    "kept otherwise": of_layout(0, 2, 3),
    "kept as text": of_layout(0, 2, "2"),
    "a byte too many": of_bits([160, 255, 255, 0]),
    "a byte too few": of_bits([160, 255]),
    "a row too few": lambda tensors, header: header["layout"].pop(),
    "a row too short": lambda tensors, header: header["layout"][0].pop(),
    "a row too long": lambda tensors, header: header["layout"][0].append(1),
}


@pytest.mark.parametrize("change", MASKS.values(), ids=MASKS.keys())
def test_masks(made: Path, tmp_path: Path, change: Change) -> None:
    path = crafted(made, tmp_path / "masks", "masks", "masks", change)
    refused(lambda: MaskBits.load(path), str(path))


def of_tensor(name: str, value: Tensor) -> Change:
    return lambda tensors, header: tensors.__setitem__(name, value)


SCORES: dict[str, Change] = {
    **{
        f"no {name}": without(name)
        for name in ("order", "strategy", "options", "batches", "examples", "seed", "model")
    },
    "an order of others": of_header("order", ["a", "c"]),
    "an order too short": of_header("order", ["a"]),
    "an order with one twice": of_header("order", ["a", "b", "b"]),
    "an order that is none": of_header("order", 3),
    "no such strategy": of_header("strategy", "LayerNothing"),
    "a strategy of another type": of_header("strategy", ["LayerMagWeight"]),
    "options of another type": of_header("options", [1]),
    "batches as text": of_header("batches", "3"),
    "a seed as a fraction": of_header("seed", 0.5),
    "a model of another type": of_header("model", "bert"),
    "a model with too little": of_header("model", {"name": "bert"}),
    "NaN": of_tensor("a", torch.tensor([0.0, float("nan"), 1.0])),
    "infinity": of_tensor("b", torch.tensor([[0.0, float("-inf")]])),
    "whole numbers": of_tensor("a", torch.arange(3)),
    "half precision": of_tensor("a", torch.zeros(3, dtype=torch.float16)),
}


@pytest.mark.parametrize("change", SCORES.values(), ids=SCORES.keys())
def test_scores(made: Path, tmp_path: Path, change: Change) -> None:
    path = crafted(made, tmp_path / "scores", "scores", "scores", change)
    refused(lambda: Scores.load(path), str(path))


def raw(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tensor(dtype: str, shape: Any, begin: Any, end: Any) -> Header:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


RAW: dict[str, bytes] = {
    "nothing": b"",
    "a length alone": (5).to_bytes(8, "little"),
    "a length beyond the file": raw({}, length=10**12),
    "a length of 2**64 - 1": raw({}, length=2**64 - 1),
    "a list": raw([]),
    "no UTF-8": raw(b'{"\xff": 1}'),
    "NaN": raw(b'{"__metadata__": NaN}'),
    "a name twice": raw(b'{"a": 1, "a": 2}'),
    "nested a hundred thousand times": raw(b"[" * 10**5 + b"]" * 10**5),
    "an integer of 5000 digits": raw(b'{"a": ' + b"9" * 5000 + b"}"),
    "metadata of numbers": raw({"__metadata__": {"a": 1}}),
    "metadata that are a list": raw({"__metadata__": []}),
    "overlapping": raw({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, bytes(6)),
    "with a hole": raw({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 4, 6)}, bytes(6)),
    "beyond the file": raw({"a": tensor("U8", [40], 0, 40)}, bytes(6)),
    "less than the file": raw({"a": tensor("U8", [4], 0, 4)}, bytes(6)),
    "backwards": raw({"a": tensor("U8", [4], 4, 0)}, bytes(4)),
    "a negative place": raw({"a": tensor("U8", [4], -4, 0)}, bytes(4)),
    "a place as text": raw({"a": tensor("U8", [4], "0", "4")}, bytes(4)),
    "another shape": raw({"a": tensor("F32", [2], 0, 4)}, bytes(4)),
    "an overflowing shape": raw({"a": tensor("U8", [2**32, 2**32], 0, 0)}),
    "a negative shape": raw({"a": tensor("U8", [-2, -2], 0, 4)}, bytes(4)),
    "a type of others": raw({"a": tensor("F8_E4M3", [4], 0, 4)}, bytes(4)),
    "a type that is none": raw({"a": tensor("X", [4], 0, 4)}, bytes(4)),
    "a type that is a list": raw({"a": {"dtype": [], "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
    "no type": raw({"a": {"shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
    "more than a tensor has": raw({"a": {**tensor("U8", [4], 0, 4), "more": 1}}, bytes(4)),
    "a number for a tensor": raw({"a": 3}),
}


@pytest.mark.parametrize("content", RAW.values(), ids=RAW.keys())
def test_headers_of_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    for work in (
        lambda: MaskBits.load(path),
        lambda: Scores.load(path),
        lambda: unpack(path, tmp_path / "o"),
    ):
        refused(work, str(path))
