"""PyTorch in float32: what all others are compared with."""

from __future__ import annotations

from pathlib import Path

from deepcuts.deploy.bench.forms import DENSE_FP32
from deepcuts.deploy.bench.ways.registry import Runner, Setting, Way, register_way


def _load(folder: Path, setting: Setting) -> Runner:
    from deepcuts.deploy.bench.torch_runner import load_dense, runner

    return runner(load_dense(folder, setting, "float32"), setting.device)


register_way(
    Way(
        "dense-fp32",
        "torch fp32",
        DENSE_FP32,
        _load,
        devices=("cpu", "cuda"),
        libraries=("transformers", "deepcuts.deploy.bench.torch_runner"),
    )
)
