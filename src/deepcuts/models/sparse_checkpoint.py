"""The sparse format: a saved model whose pruned tensors are a bitmask and the values of the kept weights.

A folder as ``save_pretrained`` writes it. In ``model.safetensors`` a pruned tensor ``m.x`` is

* ``m.x``: ``(kept,)``, the kept weights, row by row;
* ``m.bitmask_x``: ``(ceil(weights / 8),)``, uint8, row by row, the first weight in the highest bit.

Its shape stands in ``config.json`` under ``quantization_config``, and so does a digest over all tensors. That
the values have the tensor's own name, and another shape, is on purpose: a loader that does not know the
format stops at it. Under a name of their own it would warn at most, and compute with random weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepcuts.common import safetensors_file
from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import DeepcutsError, FileFormatError, InvariantError, MismatchError
from deepcuts.common.files import read_json
from deepcuts.common.safetensors_file import weights_of
from deepcuts.masks.bits import MaskBits, TensorBits
from deepcuts.masks.pruned_tensor import PrunedTensor

METHOD = "deepcuts-sparse"
FORMAT_VERSION = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
LOAD_WITH = "import deepcuts.transformers_plugin, or use deepcuts.load_pruned"

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class SparseCheckpoint:
    """The weights of a sparse model, in parts; no dense tensor is made of a pruned one.

    Attributes:
        pruned: Parameter name → mask bits, shape and kept values.
        others: Every other tensor, by its name in the file.
        config: What ``config.json`` holds.
    """

    pruned: Mapping[str, PrunedTensor] = field(repr=False)
    others: Mapping[str, Tensor] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)

    @property
    def masks(self) -> MaskBits:
        """The masks, one bit a weight."""
        return MaskBits({name: tensor.mask for name, tensor in self.pruned.items()})


def mask_name(name: str) -> str:
    """The name in the file of the mask of a parameter."""
    module, dot, own = name.rpartition(".")
    return f"{module}{dot}bitmask_{own}"


def encode(tensors: Mapping[str, Tensor], masks: Mapping[str, TensorBits]) -> dict[str, Tensor]:
    """Tensors as they lie in the file.

    Args:
        tensors: The model's tensors by name, such as its ``state_dict()``.
        masks: Masks for some of them.

    Raises:
        MismatchError: A mask is for a tensor that is not there, or has another shape.
        InvariantError: A weight that a mask cuts is not 0.
    """
    found = dict(tensors)
    for name, mask in masks.items():
        if name not in tensors or mask_name(name) in tensors:
            raise MismatchError(
                f"these masks are for another model: it has no tensor {name!r}, or a mask of it"
            )
        try:
            pruned = PrunedTensor.from_dense(tensors[name], mask)
        except (MismatchError, InvariantError) as error:
            raise type(error)(f"{name!r}: {error}") from None
        found[name] = pruned.values
        found[mask_name(name)] = torch.from_numpy(mask.bits.copy())
    return found


def read_sparse(folder: str | Path, *, whole: bool = True) -> SparseCheckpoint:
    """Read a sparse model's parts, checked against its digest.

    Args:
        folder: A folder that ``deepcuts export --format sparse`` or a second ``save_pretrained`` wrote.
        whole: Whether its configuration is checked too; whoever says no calls `check_settings` later.

    Raises:
        FileFormatError: The folder is of another format, or a file of it is missing, truncated or altered.
    """
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    described = checked_description(config.get("quantization_config"), folder / CONFIG)
    if whole:
        check_settings(config, folder / CONFIG)
    tensors = read_checked([folder / WEIGHTS], described)
    pruned: dict[str, PrunedTensor] = {}
    for name, shape in described["shapes"].items():
        try:
            mask = TensorBits(tuple(shape), tensors.pop(mask_name(name)).numpy())
            pruned[name] = PrunedTensor(mask, checked_values(tensors.pop(name)))
        except (KeyError, DeepcutsError) as error:
            raise FileFormatError(f"{folder / WEIGHTS}: {name!r} is incomplete or wrong ({error})") from None
    return SparseCheckpoint(pruned, tensors, config)


# What of a configuration changes no output, or may change when the model is loaded and saved again.
_SILENT = frozenset(
    {"transformers_version", "_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype",
     "quantization_config", "use_cache", "return_dict", "output_attentions", "output_hidden_states",
     "attn_implementation", "_attn_implementation"}
)  # fmt: skip


def settings_digest(config: Mapping[str, Any]) -> str:
    """SHA-256 over what of a configuration can change what the model says: sizes, functions, names.

    Args:
        config: As ``config.json`` holds it.
    """
    content = {name: value for name, value in config.items() if name not in _SILENT}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_settings(config: Mapping[str, Any], where: object) -> None:
    """Refuse a configuration that is not the one that the model was saved with.

    Args:
        config: As ``config.json`` holds it; files of version 0.1 hold no digest of it.
        where: For the message.

    Raises:
        FileFormatError: It was altered.
    """
    held = config["quantization_config"].get("config_digest")
    if held and held != settings_digest(config):
        raise FileFormatError(
            f"{where}: was altered after it was written, so the model would say something else (its digest "
            "does not match)"
        )


def checked_values(values: Tensor) -> Tensor:
    """The values of a pruned tensor, from a file.

    Raises:
        FileFormatError: They are of a type that no weights have.
    """
    if values.dtype not in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        raise FileFormatError(f"its values are of type {values.dtype}")
    return values


def check_finite(name: str, values: Tensor) -> None:
    """Raise FileFormatError if values of which a model is to be made hold NaN or infinity."""
    if not torch.isfinite(values).all():
        raise FileFormatError(f"the values of {name!r} hold NaN or infinity")


def is_sparse(folder: str | Path) -> bool:
    """Whether a folder holds a model in the sparse format, by what its config says."""
    try:
        described = read_config(Path(folder) / CONFIG).get("quantization_config")
    except FileFormatError:
        return False
    return isinstance(described, dict) and described.get("quant_method") == METHOD


def checked_description(described: Any, where: object) -> dict[str, Any]:
    """The ``quantization_config`` of a sparse model's config: its ``shapes`` and ``digest``, among others.

    Raises:
        FileFormatError: It is not of the sparse format, or of a later version of it.
    """
    if not isinstance(described, dict) or described.get("quant_method") != METHOD:
        raise FileFormatError(f"{where}: holds no model in the sparse format")
    if described.get("format") != FORMAT_VERSION:
        raise FileFormatError(
            f"{where}: has format {described.get('format')!r}; this version reads format {FORMAT_VERSION}"
        )
    try:
        shapes = dict(described["shapes"])
        for shape in shapes.values():
            weights_of(shape)
        if shapes.keys() & {mask_name(name) for name in shapes}:
            raise ValueError("one of them is another's mask")
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{where}: its shapes of pruned tensors are no shapes ({error})") from None
    return described


def read_checked(files: Sequence[str | Path], described: Mapping[str, Any]) -> dict[str, Tensor]:
    """All tensors of a checkpoint's files.

    Args:
        files: The safetensors files that make up the checkpoint.
        described: What `checked_description` gives.

    Raises:
        FileFormatError: A file is missing, truncated or altered.
    """
    tensors: dict[str, Tensor] = {}
    for path in files:
        found, _ = safetensors_file.read(path)
        if tensors.keys() & found.keys():
            raise FileFormatError(f"{path}: holds a tensor that another file of the model holds")
        tensors.update(found)
    if described.get("digest") != digest(tensors, described["shapes"]):
        raise FileFormatError(
            f"{', '.join(map(str, files))}: was altered after it was written, or is not the file of this "
            f"{CONFIG} (its digest does not match)"
        )
    return tensors


def digest(tensors: Mapping[str, Tensor], shapes: Shapes) -> str:
    """SHA-256 over a sparse checkpoint, against accidents.

    The parts of pruned tensors go in with their names. Others without: for models with names of an older kind
    (``LayerNorm.gamma``), Transformers has its own, and changes them when it loads and saves.
    """
    parts = {part for name in shapes for part in (name, mask_name(name))}
    lines = sorted(
        tensors_digest([(name if name in parts else "", tensor)]) for name, tensor in tensors.items()
    )
    described = json.dumps({name: list(shape) for name, shape in shapes.items()}, sort_keys=True)
    return hashlib.sha256("\n".join([described, *lines]).encode()).hexdigest()


def read_config(path: Path) -> dict[str, Any]:
    """What a ``config.json`` holds.

    Raises:
        FileFormatError: It can't be read, or is no object.
    """
    try:
        config = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: can't be read ({error})") from None
    if not isinstance(config, dict):
        raise FileFormatError(f"{path}: is no object")
    return config
