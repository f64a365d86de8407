"""What all ways to run a model by ONNX Runtime share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deepcuts.deploy.bench.ways.registry import Batch, Runner, Setting, without

LIBRARIES = ("onnxruntime",)

missing = without("onnx", "onnxruntime", "onnxscript", "onnx")


def load(folder: Path, setting: Setting) -> Runner:
    """A folder's ``model.onnx``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = setting.threads, 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    names = [given.name for given in session.get_inputs()]

    def run(batch: Batch) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = session.run(["logits"], {name: batch[name] for name in names})[0]
        return found

    return Runner(run)
