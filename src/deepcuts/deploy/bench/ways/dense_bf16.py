"""PyTorch in bfloat16."""

from __future__ import annotations

from pathlib import Path

from deepcuts.deploy.bench.forms import DENSE_BF16
from deepcuts.deploy.bench.ways.registry import Runner, Setting, Way, register_way


def _load(folder: Path, setting: Setting) -> Runner:
    from deepcuts.deploy.bench.torch_runner import load_dense, runner

    return runner(load_dense(folder, setting, "bfloat16"), setting.device)


register_way(
    Way(
        "dense-bf16",
        "torch bf16",
        DENSE_BF16,
        _load,
        devices=("cpu", "cuda"),
        libraries=("transformers", "deepcuts.deploy.bench.torch_runner"),
    )
)
