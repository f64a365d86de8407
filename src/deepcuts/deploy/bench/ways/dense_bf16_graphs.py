"""PyTorch in bfloat16 on a GPU, the kernels of a shape started as one CUDA graph."""

from __future__ import annotations

from pathlib import Path

from deepcuts.deploy.bench.forms import DENSE_BF16
from deepcuts.deploy.bench.ways.registry import Runner, Setting, Way, register_way


def _load(folder: Path, setting: Setting) -> Runner:
    from deepcuts.deploy.bench.cuda_graphs import with_graphs
    from deepcuts.deploy.bench.torch_runner import load_dense

    return with_graphs(load_dense(folder, setting, "bfloat16"), setting.device)


register_way(
    Way(
        "dense-bf16-graphs",
        "torch bf16 with CUDA graphs",
        DENSE_BF16,
        _load,
        devices=("cuda",),
        libraries=("transformers", "deepcuts.deploy.bench.cuda_graphs"),
    )
)
