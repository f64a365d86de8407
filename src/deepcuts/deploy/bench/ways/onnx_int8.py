"""ONNX Runtime in int8: dynamic quantisation as it does it by default, weights int8, inputs as they come."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepcuts.deploy.bench.forms import ONNX, Files, Form
from deepcuts.deploy.bench.onnx_runner import LIBRARIES, load, missing
from deepcuts.deploy.bench.ways.registry import Way, register_way


def _write(files: Files, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from deepcuts.deploy.export.dense_runtimes import write_beside

    source = files.folder(ONNX) / "model.onnx"
    path.mkdir()
    with _quiet():
        quantize_dynamic(source, path / "model.onnx", weight_type=QuantType.QInt8)
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


register_way(
    Way(
        "onnx-int8",
        "ONNX Runtime int8",
        Form("onnx-int8", _write),
        load,
        libraries=LIBRARIES,
        missing=missing,
    )
)
