"""Files of every format with something changed in them, at random under a seed.

A mutator knows a format's regions: the length of the header, the header, the digest in it, the tensors, the
compressed streams. It changes bytes of one region as they are, or what header and tensors say, under a digest
that is right again.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.common.errors import DeepcutsError
from deepcuts.deploy.export.packed_file import KIND, unpack
from deepcuts.masks.masks import Masks
from deepcuts.models.sparse_checkpoint import digest, read_sparse
from deepcuts.scoring.scores import Scores

_BYTES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "a bit": lambda r, part: _put(part, i := r.randrange(len(part)), bytes([part[i] ^ 1 << r.randrange(8)])),
    "a byte": lambda r, part: _put(part, r.randrange(len(part)), bytes([r.randrange(256)])),
    "zeros": lambda r, part: _put(part, r.randrange(len(part)), bytes(r.randrange(1, 9))),
    "ones": lambda r, part: _put(part, r.randrange(len(part)), b"\xff" * r.randrange(1, 9)),
    "cut off": lambda r, part: part[: r.randrange(len(part))],
    "cut out": lambda r, part: part[: (i := r.randrange(len(part)))] + part[i + r.randrange(1, 20) :],
    "put in": lambda r, part: (
        part[: (i := r.randrange(len(part)))] + r.randbytes(r.randrange(1, 20)) + part[i:]
    ),
    "twice": lambda r, part: part[: (i := r.randrange(len(part)))] + part[max(0, i - 30) :],
    "a number": lambda r, part: _put(
        part, r.randrange(len(part)), struct.pack("<Q", r.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
    ),
}
_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 7, 2**31, 2**63, 2**64, 10**30, -(2**63), 0.5, 1e308, -0.0),
    *("", "a", "../x", "/etc/passwd", "a\0b", "é" * 200, "int32", "float64", "bits", "gaps", "1"),
    *([], [[]], {}, [0], [-1], [1, 2], [10**7, 10**7], [2**32, 2**32], ["a", [1], 1], {"a": 1}),
]


def _put(part: bytes, at: int, new: bytes) -> bytes:
    return (part[:at] + new + part[at + len(new) :])[: len(part)]


@dataclass(frozen=True)
class Mutant:
    """A changed file.

    Attributes:
        path: Where it lies; of the sparse format a folder.
        what: What was changed.
        is_signed: Whether its digest is right.
    """

    path: Path
    what: str
    is_signed: bool


class Format:
    """A format: how its files are read to their end, and rewritten under a right digest.

    Args:
        name: Of the file that `crafted.a_file_of_each` makes.
        kind: What its header calls it; of the sparse format, which has no header of ours, empty.
        read: Reads a file to its end, and gives something to compare.
    """

    def __init__(self, name: str, kind: str, read: Callable[[Path, Path], Any]) -> None:
        self.name = name
        self.kind = kind
        self.read = read

    def mutant(self, made: Path, folder: Path, seed: int) -> Mutant:
        """The file, changed, in an empty folder; the same for the same seed."""
        chance = random.Random(f"{self.name} {seed}")
        folder.mkdir(parents=True)
        source, target = made / self.name, folder / self.name
        if chance.random() < 0.4:
            return Mutant(target, self._change_bytes(source, target, chance), False)
        return Mutant(target, self._change_content(source, target, chance), True)

    def _change_bytes(self, source: Path, target: Path, chance: random.Random) -> str:
        file = source
        if source.is_dir():
            target.mkdir()
            for one in source.iterdir():
                (target / one.name).write_bytes(one.read_bytes())
            file = source / chance.choice(["model.safetensors", "model.safetensors", "config.json"])
            target = target / file.name
        content = file.read_bytes()
        regions = regions_of(content) if file.suffix != ".json" else {"json": (0, len(content))}
        region = chance.choice(sorted(regions))
        start, end = regions[region]
        change = chance.choice(sorted(_BYTES))
        target.write_bytes(content[:start] + _BYTES[change](chance, content[start:end]) + content[end:])
        return f"{region}: {change}"

    def _change_content(self, source: Path, target: Path, chance: random.Random) -> str:
        if not self.kind:
            return self._change_sparse(source, target, chance)
        tensors, header = tensor_file.load(source, self.kind)
        content = {name: value for name, value in header.items() if name not in ("kind", "format")}
        what = change_tensor(tensors, chance) if chance.random() < 0.4 else change_json(content, chance)
        tensor_file.save(target, self.kind, tensors, content)
        return what

    def _change_sparse(self, source: Path, target: Path, chance: random.Random) -> str:
        target.mkdir()
        for one in source.iterdir():
            (target / one.name).write_bytes(one.read_bytes())
        config = json.loads((target / "config.json").read_text())
        tensors = load_file(target / "model.safetensors")
        described = config["quantization_config"]
        what = change_tensor(tensors, chance) if chance.random() < 0.5 else change_json(described, chance)
        try:
            described["digest"] = digest(tensors, described["shapes"])
        except (KeyError, TypeError, AttributeError):
            what += ", not signed"
        save_file(tensors, target / "model.safetensors", {"format": "pt"})
        (target / "config.json").write_text(json.dumps(config))
        return what


def regions_of(content: bytes) -> dict[str, tuple[int, int]]:
    """The parts of a safetensors file → from where to where."""
    end = 8 + int.from_bytes(content[:8], "little")
    header: Mapping[str, Any] = json.loads(content[8:end])
    regions = {"length": (0, 8), "header": (8, end), "tensors": (end, len(content))}
    if (at := content.find(b'\\"digest\\"', 8, end)) > 0:
        regions["digest"] = (at, at + 80)
    for name, entry in header.items():
        if name != "__metadata__" and entry["data_offsets"][0] < entry["data_offsets"][1]:
            first, last = entry["data_offsets"]
            regions[f"tensor {name}"] = (end + first, end + last)
    return regions


def change_json(content: Any, chance: random.Random) -> str:
    """Change something anywhere in a JSON value, in place."""
    places: list[tuple[Any, Any, str]] = []

    def walk(node: Any, where: str) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key, f"{where}/{key}"))
            if isinstance(node[key], dict | list):
                walk(node[key], f"{where}/{key}")

    walk(content, "")
    node, key, where = chance.choice(places)
    how = chance.choice(["value", "value", "value", "gone", "twice", "near"])
    if how == "gone":
        del node[key]
    elif how == "twice" and isinstance(node, list):
        node.append(node[key])
    elif how == "near" and type(node[key]) is int:
        node[key] += chance.choice([-1, 1, 8, 1000])
    else:
        node[key] = value = json.loads(json.dumps(chance.choice(_VALUES)))
        how = f"{value!r:.30}"
    return f"{where} {how}"


def change_tensor(tensors: dict[str, Tensor], chance: random.Random) -> str:
    """Change one of some tensors, in place."""
    name = chance.choice(sorted(tensors))
    tensor = tensors[name].clone()
    flat = tensor.reshape(-1)
    changes: dict[str, Callable[[], Tensor | None]] = {
        "gone": lambda: None,
        "int32": lambda: tensor.int(),
        "float64": lambda: tensor.double(),
        "bool": lambda: tensor.bool(),
        "uint8": lambda: tensor.nan_to_num(0).to(torch.uint8),
        "in a row": lambda: flat,
        "in a row of rows": lambda: tensor[None],
        "shorter": lambda: flat[: max(0, flat.numel() - 1)],
        "longer": lambda: torch.cat([flat, flat[:1]]),
        "nothing": lambda: flat[:0],
        "random bytes": lambda: torch.frombuffer(
            bytearray(chance.randbytes(max(1, flat.numel() * flat.element_size()))), dtype=torch.uint8
        ),
        "zeros": lambda: torch.zeros_like(tensor),
        "ones": lambda: torch.full_like(tensor, 255 if tensor.dtype is torch.uint8 else 1),
    }
    how = chance.choice(sorted(changes))
    changed = changes[how]()
    if changed is None:
        del tensors[name]
    else:
        tensors[name] = changed.contiguous()
    return f"{name} {how}"


def _unpacked(path: Path, folder: Path) -> Any:
    unpack(path, folder / "out")
    return {file.name: file.read_bytes() for file in (folder / "out").iterdir()}


def _read_sparse(path: Path, folder: Path) -> Any:
    found = read_sparse(path)
    return {name: one.dense().shape for name, one in found.pruned.items()}


#: Every format that is read back.
FORMATS = {
    one.name: one
    for one in (
        Format("masks", "masks", lambda path, folder: {n: m.shape for n, m in Masks.load(path).items()}),
        Format("scores", "scores", lambda path, folder: Scores.load(path).provenance),
        Format("packed", KIND, _unpacked),
        Format("sparse", "", _read_sparse),
    )
}


def outcome(format: Format, mutant: Mutant, folder: Path) -> str:
    """What became of reading it: "read", or the message of one of our errors; any other error is raised."""
    try:
        format.read(mutant.path, folder)
    except DeepcutsError as error:
        return str(error)
    return "read"
