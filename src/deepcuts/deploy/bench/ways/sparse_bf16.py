"""The sparse runtime in bfloat16: zeros are neither stored nor multiplied."""

from __future__ import annotations

from pathlib import Path

from deepcuts.deploy.bench.forms import SPARSE_BF16
from deepcuts.deploy.bench.ways.registry import Runner, Setting, Way, register_way


def _load(folder: Path, setting: Setting) -> Runner:
    from deepcuts.deploy.bench.torch_runner import sparse_runner

    return sparse_runner(folder, setting, "bfloat16")


register_way(
    Way(
        "sparse-bf16",
        "sparse bf16",
        SPARSE_BF16,
        _load,
        sparse=True,
        libraries=("transformers", "deepcuts.deploy.bench.torch_runner", "deepcuts.deploy.runtime"),
    )
)
