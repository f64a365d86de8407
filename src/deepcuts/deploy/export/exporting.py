"""``export``: a pruned model from any form into any other, with the sizes of its parts."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from deepcuts.common.errors import InputError
from deepcuts.deploy.export.dense_runtimes import NOTE, check_installed, save_onnx, save_openvino
from deepcuts.deploy.export.folders import save_dense, save_sparse
from deepcuts.deploy.export.packed_file import is_packed, pack, unpack
from deepcuts.deploy.export.precision import change_precision, dtype_named
from deepcuts.deploy.export.sizes import (
    Sizes,
    dense_folder_sizes,
    dense_sizes,
    least_sizes,
    other_sizes,
    packed_sizes,
    sparse_sizes,
)
from deepcuts.deploy.export.source import load_source

#: What each format is for.
FORMATS = {
    "dense": "a folder as before, with zeros; loads anywhere",
    "sparse": "a folder with one bit a weight and the kept values; loads with deepcuts installed",
    "packed": "one compressed file, for storage and transfer",
    "onnx": "model.onnx for ONNX Runtime, checked against PyTorch",
    "openvino": "openvino_model.xml for OpenVINO, checked against PyTorch",
}


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Attributes:
        dense: Sizes of the model's weights before, zeros included.
        written: Sizes of what was written.
        least: The entropy limit.
        density: Share of kept weights in the pruned tensors.
        notes: What else there is to know, a sentence each.
    """

    dense: Sizes
    written: Sizes
    least: Sizes
    density: float
    notes: list[str]


def export(
    path: str,
    format: str,
    output: str | Path,
    *,
    dtype: str | None = None,
    masks: str | Path | None = None,
    trust_remote_code: bool = False,
) -> Exported:
    """Write a pruned model in another format.

    Args:
        path: A run folder; a saved model, dense or in the sparse format; a packed file; a name on the Hub.
        format: A key of `FORMATS`.
        output: Where to: a folder, or for ``packed`` a file. Nothing may be there.
        dtype: ``fp32``, ``fp16`` or ``bf16``; as they are, if None.
        masks: A mask file; see `deepcuts.deploy.export.source.load_source` for what is taken without one.
        trust_remote_code: Whether code that comes with the model may run.

    Raises:
        InputError: An argument has a value that is not allowed, or a weight is too large for `dtype`.
        DeepcutsError: See `load_source` and the functions that write the formats.
    """
    output = Path(output)
    if format not in FORMATS:
        raise InputError("format", format, f"it must be one of {', '.join(FORMATS)}")
    wanted = dtype_named(dtype) if dtype is not None else None
    dense_runtime = format in ("onnx", "openvino")
    if dense_runtime:
        if wanted not in (None, torch.float32):
            raise InputError("dtype", dtype, f"the format {format} is written in fp32")
        wanted = torch.float32
        check_installed(format)
    if output.exists():
        raise InputError("output", str(output), "it exists already; name another, or remove it")
    source = load_source(
        path, masks=Path(masks) if masks is not None else None, trust_remote_code=trust_remote_code
    )
    model, kept, tokenizer = source.model, source.masks, source.tokenizer
    dense = dense_sizes(model, kept)
    vanished = change_precision(model, wanted) if wanted is not None else 0
    notes = (
        [f"{vanished:,} weights are too small for {dtype} and became 0; those kept stay kept."]
        if vanished
        else []
    )
    if format == "dense":
        save_dense(model, output, tokenizer=tokenizer)
        written = dense_folder_sizes(output, model, kept)
    elif format == "sparse":
        if is_packed(path) and wanted is None and masks is None:
            unpack(path, output)  # the very files that were packed
        else:
            save_sparse(model, kept, output, tokenizer=tokenizer)
        written = sparse_sizes(output)
    elif format == "packed":
        with tempfile.TemporaryDirectory(prefix="deepcuts-") as folder:
            save_sparse(model, kept, Path(folder) / "model", tokenizer=tokenizer)
            pack(Path(folder) / "model", output)
        written = packed_sizes(output)
    else:
        save = save_onnx if format == "onnx" else save_openvino
        difference = save(model, output, tokenizer=tokenizer)
        written = other_sizes(output)
        notes += [f"Outputs differ from PyTorch's by {difference:.1e} at most.", NOTE]
    return Exported(dense, written, least_sizes(model, kept), kept.density, notes)
