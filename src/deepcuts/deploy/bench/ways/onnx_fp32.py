"""ONNX Runtime in float32."""

from __future__ import annotations

from deepcuts.deploy.bench.forms import ONNX
from deepcuts.deploy.bench.onnx_runner import LIBRARIES, load, missing
from deepcuts.deploy.bench.ways.registry import Way, register_way

register_way(Way("onnx-fp32", "ONNX Runtime fp32", ONNX, load, libraries=LIBRARIES, missing=missing))
