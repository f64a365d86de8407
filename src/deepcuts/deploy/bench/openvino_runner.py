"""What all ways to run a model by OpenVINO share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deepcuts.deploy.bench.ways.registry import Batch, Runner, Setting, without

LIBRARIES = ("openvino",)

missing = without("openvino", "openvino", "onnxscript")


def load(folder: Path, setting: Setting, *, precision: str) -> Runner:
    """A folder's ``openvino_model.xml``.

    Args:
        folder: Where it is.
        setting: How.
        precision: What to calculate in, as OpenVINO calls it.
    """
    import openvino

    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": setting.threads,
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, with all threads
    }
    compiled = openvino.Core().compile_model(str(folder / "openvino_model.xml"), "CPU", options)
    names = [given.get_any_name() for given in compiled.inputs]

    def run(batch: Batch) -> np.ndarray[Any, Any]:
        # A copy, because the next call writes over it.
        return np.array(compiled({name: batch[name] for name in names})[0], dtype=np.float32)

    return Runner(run)
