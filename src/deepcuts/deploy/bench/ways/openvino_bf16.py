"""OpenVINO in bfloat16, where it says that the processor does that."""

from __future__ import annotations

from functools import partial

from deepcuts.deploy.bench.forms import OPENVINO
from deepcuts.deploy.bench.openvino_runner import LIBRARIES, load, missing
from deepcuts.deploy.bench.ways.registry import Way, register_way


def _missing() -> str | None:
    reason = missing()
    if reason is not None:
        return reason
    import openvino

    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    return "OpenVINO does not calculate in bfloat16 on this processor"


register_way(
    Way(
        "openvino-bf16",
        "OpenVINO bf16",
        OPENVINO,
        partial(load, precision="bf16"),
        libraries=LIBRARIES,
        missing=_missing,
    )
)
