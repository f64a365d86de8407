"""The sparse runtime in float32: zeros are neither stored nor multiplied."""

from __future__ import annotations

from pathlib import Path

from deepcuts.deploy.bench.forms import SPARSE_FP32
from deepcuts.deploy.bench.ways.registry import Runner, Setting, Way, register_way


def _load(folder: Path, setting: Setting) -> Runner:
    from deepcuts.deploy.bench.torch_runner import sparse_runner

    return sparse_runner(folder, setting, "float32")


register_way(
    Way(
        "sparse-fp32",
        "sparse fp32",
        SPARSE_FP32,
        _load,
        sparse=True,
        libraries=("transformers", "deepcuts.deploy.bench.torch_runner", "deepcuts.deploy.runtime"),
    )
)
