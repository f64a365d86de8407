"""The files that each way to run a model loads, written once and by need.

Importing this is cheap; what writes a form imports what it needs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepcuts.common.errors import DeepcutsError

if TYPE_CHECKING:
    from deepcuts.deploy.bench.subject import Subject


@dataclass(frozen=True)
class Form:
    """A model as files.

    Attributes:
        name: Of their folder; ways that share a form share the files.
        write: Makes the folder, with config and tokenizer in it.
    """

    name: str
    write: Callable[[Files, Path], None]


class Files:
    """Forms of a model in a folder, one folder each.

    Args:
        subject: The model.
        folder: Where they go.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        self._folder = folder
        self._failed: dict[str, Exception] = {}

    def folder(self, form: Form) -> Path:
        """The folder with a form of the model, written now if it was not yet.

        Raises:
            DeepcutsError: The model can't be written so.
        """
        path = self._folder / form.name
        if form.name in self._failed:
            raise self._failed[form.name]
        if not path.is_dir():
            try:
                form.write(self, path)
            except Exception as error:  # kept: others that need this form need not wait for it to fail again
                self._failed[form.name] = error
                raise
        return path

    def bytes(self, form: Form) -> int:
        """Bytes of all files of a form."""
        from deepcuts.deploy.export.sizes import bytes_on_disk

        return bytes_on_disk(self.folder(form))


def _dense(dtype: str) -> Callable[[Files, Path], None]:
    def write(files: Files, path: Path) -> None:
        from deepcuts.deploy.export.folders import save_dense
        from deepcuts.deploy.export.precision import change_precision, dtype_named

        model = copy.deepcopy(files.subject.model)
        change_precision(model, dtype_named(dtype))
        save_dense(model, path, tokenizer=files.subject.tokenizer)

    return write


def _sparse(dtype: str) -> Callable[[Files, Path], None]:
    def write(files: Files, path: Path) -> None:
        from deepcuts.deploy.export.folders import save_sparse
        from deepcuts.deploy.export.precision import change_precision, dtype_named

        subject = files.subject
        if subject.masks is None:
            raise DeepcutsError(f"nothing of this model is sparse: {subject.unpruned}")
        model = copy.deepcopy(subject.model)
        change_precision(model, dtype_named(dtype))
        save_sparse(model, subject.masks, path, tokenizer=subject.tokenizer)

    return write


def _onnx(files: Files, path: Path) -> None:
    from deepcuts.deploy.export.dense_runtimes import write_beside, write_onnx

    subject = files.subject
    path.mkdir()
    write_onnx(subject.model, subject.tokenizer, path / "model.onnx")
    write_beside(subject.model, subject.tokenizer, path)


def _openvino(files: Files, path: Path) -> None:
    import openvino

    from deepcuts.deploy.export.dense_runtimes import write_beside

    source = files.folder(ONNX) / "model.onnx"
    path.mkdir()
    converted = openvino.convert_model(source)
    openvino.save_model(converted, path / "openvino_model.xml", compress_to_fp16=False)
    write_beside(files.subject.model, files.subject.tokenizer, path)


DENSE_FP32 = Form("dense-fp32", _dense("fp32"))
DENSE_BF16 = Form("dense-bf16", _dense("bf16"))
ONNX = Form("onnx", _onnx)
OPENVINO = Form("openvino", _openvino)
SPARSE_FP32 = Form("sparse-fp32", _sparse("fp32"))
SPARSE_BF16 = Form("sparse-bf16", _sparse("bf16"))
