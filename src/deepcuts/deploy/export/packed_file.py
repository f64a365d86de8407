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
from safetensors.torch import save_file
from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.common.digests import tensor_bytes
from deepcuts.common.files import write_atomically
from deepcuts.common.safetensors_file import read, weights_of
from deepcuts.deploy.export.byte_codec import (
    LONGEST_GAP,
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

#: Types of tensors that a model's file may have, by name.
_TYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float32, torch.float16, torch.bfloat16, torch.float64),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
# What a stated size may be, at most, of what the file has, so that a lie asks for no memory. The cut weights
# after a mask's last kept one take no bytes; but beside pruned tensors there are always others. Words of a
# tokenizer are packed to a tenth or so.
_WEIGHTS_PER_BYTE = 4096
_SMALL_FILES, _SMALL_RATIO = 2**25, 50
_XZ_MEMORY = 2**27  # that of the greatest preset, 65 MiB, and some more

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
    _, metadata = read(folder / WEIGHTS)
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
    with tensor_file.meaning(path, "parts"):
        metadata = _checked_metadata(header["metadata"])
        found = _bytes_of(streams)
        tensors = _unpack_tensors(found, header)
        small = _unpack_files(found["files"], header["files"])

    def write(temporary: Path) -> None:
        temporary.mkdir()
        save_file(tensors, temporary / WEIGHTS, metadata)
        for name, content in small.items():
            (temporary / name).write_bytes(content)
        read_sparse(temporary)  # by its own digest

    write_atomically(Path(folder), write)


def is_packed(path: str | Path) -> bool:
    """Whether a path is a file, and not a folder: a packed model is the only form that is one."""
    return Path(path).is_file()


def _is_small(file: Path) -> bool:
    return file.is_file() and file.name != WEIGHTS and not file.name.startswith(".")


def _bytes_of(streams: Mapping[str, Tensor]) -> dict[str, Bytes]:
    if wrong := [name for name, stream in streams.items() if stream.dtype is not torch.uint8]:
        raise ValueError(f"{wrong[0]!r} is of type {streams[wrong[0]].dtype}")
    return {name: stream.reshape(-1).numpy() for name, stream in streams.items()}


def _unpack_tensors(streams: Mapping[str, Bytes], header: Mapping[str, Any]) -> dict[str, Tensor]:
    shapes = dict(header["pruned"])
    sizes = [weights_of(shape) for shape in shapes.values()]
    kept = [weights_of(shape) for _, _, shape in header["values"]]
    names = [*(name for name, _, _ in header["values"]), *(name for name, _, _ in header["others"])]
    if len(shapes) != len(header["pruned"]) or names[: len(kept)] != list(shapes):
        raise ValueError("the values are not those of the pruned tensors")
    names += [mask_name(name) for name in shapes]
    if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError("a name is none of a tensor, or stands twice")
    if sum(sizes) > _WEIGHTS_PER_BYTE * sum(stream.size for stream in streams.values()):
        raise ValueError(f"it holds too little for {sum(sizes):,} weights")
    values = _from_planes(streams, "values", header["values"])
    others = _from_planes(streams, "others", header["others"])
    masks = _unpack_masks(streams["masks"], header["masks"], sizes, kept)
    packed = {mask_name(name): torch.from_numpy(mask) for name, mask in zip(shapes, masks, strict=True)}
    return {**values, **packed, **others}


def _unpack_masks(stream: Bytes, form: str, sizes: Sequence[int], kept: Sequence[int]) -> list[Bytes]:
    weights = sum(sizes)
    if form == "gaps":
        longest = sum(kept) + weights // LONGEST_GAP
        return from_gaps(decompress(stream, longest, at_most=True), sizes, kept)
    if form != "bits":
        raise ValueError(f"{form!r:.40} is no form of masks")
    written = decompress(stream, -(-weights // 8))
    if weights % 8 and written[-1] & (0xFF >> weights % 8):
        raise ValueError("bits are set beyond the last weight")
    found, start = [], 0
    for size, count in zip(sizes, kept, strict=True):
        bits = np.unpackbits(written[start // 8 : -(-(start + size) // 8)])[start % 8 :][:size]
        if int(bits.sum(dtype=np.int64)) != count:
            raise ValueError("the masks keep another number of weights than there are values")
        found.append(np.packbits(bits))
        start += size
    return found


def _unpack_files(stream: Bytes, listed: Iterable[tuple[str, int]]) -> dict[str, bytes]:
    sizes = dict(listed)
    for name in sizes:
        _check_file_name(name)
    if CONFIG not in sizes or len(sizes) != len(list(listed)):
        raise ValueError("its small files are not all there, or one is there twice")
    if not all(type(length) is int and length >= 0 for length in sizes.values()):
        raise ValueError("the length of a small file is none")
    whole = sum(sizes.values())
    if whole > _SMALL_FILES + _SMALL_RATIO * stream.size:
        raise ValueError(f"it holds too little for small files of {whole:,} bytes")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    try:
        content = decoder.decompress(stream.tobytes(), max_length=whole + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"its small files can't be read: {error}") from None
    if len(content) != whole or not decoder.eof or decoder.unused_data:
        raise ValueError("its small files are not all there, or longer than it says")
    found: dict[str, bytes] = {}
    start = 0
    for name, length in sizes.items():
        found[name] = content[start : start + length]
        start += length
    return found


def _check_file_name(name: Any) -> None:
    is_plain = isinstance(name, str) and name.isprintable() and PurePath(name).name == name
    if not is_plain or not name or name.startswith(".") or name == WEIGHTS or set("\\/:") & set(name):
        raise ValueError(f"{name!r:.80} is no name for a file of a model")
    if len(name.encode()) > 200:
        raise ValueError(f"{name!r:.80}… is no name for a file of a model, it is too long")


def _checked_metadata(metadata: Any) -> dict[str, str] | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are no texts")
    return metadata


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
        same = [(name, shape) for name, own, shape in layout if own == _name(dtype)]
        whole = sum(weights_of(shape) for _, shape in same)
        stored = [streams[f"{group}.{_name(dtype)}.{byte}"] for byte in range(dtype.itemsize)]
        flat = torch.from_numpy(from_planes([decompress(plane, whole) for plane in stored])).view(dtype)
        start = 0
        for name, shape in same:
            size = weights_of(shape)
            # safetensors wants each tensor in memory of its own
            found[name] = flat[start : start + size].reshape(shape).clone()
            start += size
    return {name: found[name] for name, _, _ in layout}


def _layout(tensors: Mapping[str, Tensor]) -> list[list[Any]]:
    return [[name, _name(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> torch.dtype:
    if name not in _TYPES:
        raise ValueError(f"{name!r:.40} is no type of tensors")
    return _TYPES[name]
