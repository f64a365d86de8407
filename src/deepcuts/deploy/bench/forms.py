"""The files that each way to run a model loads, written once and by need."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from deepcuts.common.errors import DeepcutsError
from deepcuts.deploy.bench.subject import Subject
from deepcuts.deploy.export.dense_runtimes import write_beside, write_onnx
from deepcuts.deploy.export.folders import save_dense, save_sparse
from deepcuts.deploy.export.precision import change_precision
from deepcuts.deploy.export.sizes import bytes_on_disk


class Files:
    """Forms of a model in a folder, one folder each, with config and tokenizer.

    Args:
        subject: The model.
        folder: Where they go.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        self._folder = folder
        self._failed: dict[str, Exception] = {}

    def folder(self, name: str) -> Path:
        """The folder with a form of the model, written now if it was not yet.

        Args:
            name: A key of `WRITERS`.

        Raises:
            DeepcutsError: The model can't be written so.
        """
        path = self._folder / name
        if name in self._failed:
            raise self._failed[name]
        if not path.is_dir():
            try:
                WRITERS[name](self, path)
            except Exception as error:  # kept: others that need this form need not wait for it to fail again
                self._failed[name] = error
                raise
        return path

    def bytes(self, name: str) -> int:
        """Bytes of all files of a form."""
        return bytes_on_disk(self.folder(name))


def _dense(dtype: torch.dtype) -> Callable[[Files, Path], None]:
    def write(files: Files, path: Path) -> None:
        model = copy.deepcopy(files.subject.model)
        change_precision(model, dtype)
        save_dense(model, path, tokenizer=files.subject.tokenizer)

    return write


def _sparse(dtype: torch.dtype) -> Callable[[Files, Path], None]:
    def write(files: Files, path: Path) -> None:
        subject = files.subject
        if subject.masks is None:
            raise DeepcutsError(f"nothing of this model is sparse: {subject.unpruned}")
        model = copy.deepcopy(subject.model)
        change_precision(model, dtype)
        save_sparse(model, subject.masks, path, tokenizer=subject.tokenizer)

    return write


def _onnx(files: Files, path: Path) -> None:
    subject = files.subject
    path.mkdir()
    write_onnx(subject.model, subject.tokenizer, path / "model.onnx")
    write_beside(subject.model, subject.tokenizer, path)


def _onnx_int8(files: Files, path: Path) -> None:
    """Dynamic quantisation as ONNX Runtime does it by default: weights int8, inputs as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = files.folder("onnx") / "model.onnx"
    path.mkdir()
    with _quiet():
        quantize_dynamic(source, path / "model.onnx", weight_type=QuantType.QInt8)
    write_beside(files.subject.model, files.subject.tokenizer, path)


def _openvino(files: Files, path: Path) -> None:
    import openvino

    source = files.folder("onnx") / "model.onnx"
    path.mkdir()
    converted = openvino.convert_model(source)
    openvino.save_model(converted, path / "openvino_model.xml", compress_to_fp16=False)
    write_beside(files.subject.model, files.subject.tokenizer, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice, given on the root logger, out of the output."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


#: Form → what writes it.
WRITERS: dict[str, Callable[[Files, Path], None]] = {
    "dense-fp32": _dense(torch.float32),
    "dense-bf16": _dense(torch.bfloat16),
    "onnx": _onnx,
    "onnx-int8": _onnx_int8,
    "openvino": _openvino,
    "sparse-fp32": _sparse(torch.float32),
    "sparse-bf16": _sparse(torch.bfloat16),
}
