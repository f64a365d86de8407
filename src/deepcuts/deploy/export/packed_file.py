"""The packed format: a model in the sparse format as one file, compressed for storage and transfer.

A safetensors file with a header of ours and a digest (`deepcuts.common.tensor_file`). It holds, compressed:

* ``masks``: the masks of all pruned tensors, one after the other, as gaps between kept weights or as bits,
  whichever is smaller;
* ``values.T.B`` and ``others.T.B``: kept weights, and all other tensors, of type T: byte B of each number;
* ``files``: config, tokenizer, and whatever else lies in the folder.

`unpack` gives back the very files that `pack` was given.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.common.digests import tensor_bytes
from deepcuts.common.errors import FileFormatError
from deepcuts.common.files import write_atomically
from deepcuts.deploy.export.byte_codec import (
    Bools,
    Bytes,
    compress,
    decompress,
    from_gaps,
    from_planes,
    to_gaps,
    to_planes,
)
from deepcuts.models.sparse_checkpoint import CONFIG, WEIGHTS, mask_name, read_sparse

KIND = "packed model"

Layout = Sequence[Sequence[Any]]  # name, type and shape of each tensor, as JSON keeps them


def pack(folder: str | Path, path: str | Path) -> None:
    """Pack a model in the sparse format into one file, and check that it gives back the same tensors.

    Args:
        folder: What `deepcuts.deploy.export.folders.save_sparse` wrote; folders in it are not packed.
        path: The file; an existing one is replaced.

    Raises:
        FileFormatError: The folder is of another format, or was altered.
    """
    folder = Path(folder)
    sparse = read_sparse(folder)
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        metadata = file.metadata()
    small = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if _is_small(file)}
    masks = [tensor.mask for tensor in sparse.pruned.values()]
    kept = np.concatenate([mask.to_bools().reshape(-1) for mask in masks] or [np.zeros(0, np.bool_)])
    as_gaps, as_bits = compress(to_gaps(kept)), compress(np.packbits(kept))
    values = {name: tensor.values for name, tensor in sparse.pruned.items()}
    streams = {
        "files": np.frombuffer(lzma.compress(b"".join(small.values())), np.uint8),
        "masks": min(as_gaps, as_bits, key=len),
        **_planes("values", values),
        **_planes("others", sparse.others),
    }
    header = {
        "metadata": metadata,
        "files": [[name, len(content)] for name, content in small.items()],
        "masks": "gaps" if len(as_gaps) <= len(as_bits) else "bits",
        "pruned": [[name, list(tensor.shape)] for name, tensor in sparse.pruned.items()],
        "values": _layout(values),
        "others": _layout(sparse.others),
    }
    tensors = {name: torch.from_numpy(stream.copy()) for name, stream in streams.items()}
    tensor_file.save(path, KIND, tensors, header)


def unpack(path: str | Path, folder: str | Path) -> None:
    """Give back the folder that a packed file was made of, byte for byte.

    Args:
        path: What `pack` wrote.
        folder: Where to; an existing folder is replaced.

    Raises:
        FileFormatError: The file is missing, truncated, altered, or no packed model.
    """
    streams, header = tensor_file.load(path, KIND)
    found = {name: stream.numpy() for name, stream in streams.items()}
    try:
        tensors = _unpack_tensors(found, header)
        small = _unpack_files(found["files"], header["files"])
    except (KeyError, ValueError, TypeError, lzma.LZMAError) as error:
        raise FileFormatError(f"{path}: is no packed model, or not a whole one ({error})") from None

    def write(temporary: Path) -> None:
        temporary.mkdir()
        save_file(tensors, temporary / WEIGHTS, header["metadata"])
        for name, content in small.items():
            (temporary / name).write_bytes(content)
        read_sparse(temporary)  # by its own digest

    write_atomically(Path(folder), write)


def is_packed(path: str | Path) -> bool:
    """Whether a path is a file, and not a folder: a packed model is the only form that is one."""
    return Path(path).is_file()


def _is_small(file: Path) -> bool:
    return file.is_file() and file.name != WEIGHTS and not file.name.startswith(".")


def _unpack_tensors(streams: Mapping[str, Bytes], header: Mapping[str, Any]) -> dict[str, Tensor]:
    values = _from_planes(streams, "values", header["values"])
    others = _from_planes(streams, "others", header["others"])
    sizes = [int(np.prod(shape, dtype=np.int64)) for _, shape in header["pruned"]]
    written = decompress(streams["masks"])
    kept: Bools
    if header["masks"] == "gaps":
        kept = from_gaps(written, sum(sizes))
    else:
        kept = np.unpackbits(written, count=sum(sizes)).astype(np.bool_)
    masks: dict[str, Tensor] = {}
    start = 0
    for (name, _), size in zip(header["pruned"], sizes, strict=True):
        masks[mask_name(name)] = torch.from_numpy(np.packbits(kept[start : start + size]))
        start += size
    return {**values, **masks, **others}


def _unpack_files(stream: Bytes, listed: Iterable[tuple[str, int]]) -> dict[str, bytes]:
    content = lzma.decompress(stream.tobytes())
    found: dict[str, bytes] = {}
    start = 0
    for name, length in listed:
        if PurePath(name).name != name or name in ("..", WEIGHTS) or "\\" in name:
            raise ValueError(f"{name!r} is no name for a file of a model")
        found[name] = content[start : start + length]
        start += length
    if start != len(content) or CONFIG not in found:
        raise ValueError("its small files are not all there")
    return found


def _planes(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Bytes]:
    """Tensors of each type, one after the other, as compressed planes of their bytes."""
    found: dict[str, Bytes] = {}
    for dtype in sorted({tensor.dtype for tensor in tensors.values()}, key=str):
        same = [tensor_bytes(tensor).numpy() for tensor in tensors.values() if tensor.dtype is dtype]
        for number, plane in enumerate(to_planes(np.concatenate(same), dtype.itemsize)):
            found[f"{group}.{_name(dtype)}.{number}"] = compress(plane)
    return found


def _from_planes(streams: Mapping[str, Bytes], group: str, layout: Layout) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for dtype in {name: _dtype(name) for _, name, _ in layout}.values():
        planes = [decompress(streams[f"{group}.{_name(dtype)}.{byte}"]) for byte in range(dtype.itemsize)]
        flat = torch.from_numpy(from_planes(planes)).view(dtype)
        start = 0
        for name, _, shape in (entry for entry in layout if entry[1] == _name(dtype)):
            size = int(np.prod(shape, dtype=np.int64))
            found[name] = flat[start : start + size].reshape(shape)
            start += size
        if start != flat.numel():
            raise ValueError(f"it holds {flat.numel():,} {group} of type {_name(dtype)}, needs {start:,}")
    # safetensors wants each tensor in memory of its own
    return {name: found[name].clone() for name, _, _ in layout}


def _layout(tensors: Mapping[str, Tensor]) -> list[list[Any]]:
    return [[name, _name(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{name!r} is no type of tensors")
    return found
