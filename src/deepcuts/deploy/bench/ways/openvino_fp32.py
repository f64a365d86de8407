"""OpenVINO in float32."""

from __future__ import annotations

from functools import partial

from deepcuts.deploy.bench.forms import OPENVINO
from deepcuts.deploy.bench.openvino_runner import LIBRARIES, load, missing
from deepcuts.deploy.bench.ways.registry import Way, register_way

register_way(
    Way(
        "openvino-fp32",
        "OpenVINO fp32",
        OPENVINO,
        partial(load, precision="f32"),
        libraries=LIBRARIES,
        missing=missing,
    )
)
