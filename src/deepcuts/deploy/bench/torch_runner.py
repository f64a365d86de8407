"""Ways to run a model with PyTorch: dense, with CUDA graphs, and sparse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepcuts.deploy.bench.cuda_graphs import with_graphs
from deepcuts.deploy.bench.ways.registry import Batch, Runner, Setting
from deepcuts.deploy.runtime import choices_of
from deepcuts.deploy.runtime import load as load_sparse
from deepcuts.deploy.runtime.kernel import Precision
from deepcuts.models.loading import load_trained


def runner(
    model: nn.Module,
    device: str = "cpu",
    notes: tuple[str, ...] = (),
    choices: Mapping[str, Any] | None = None,
) -> Runner:
    """A way to run a model as it is.

    Args:
        model: On the device, in evaluation mode.
        device: Where inputs go.
        notes: See `deepcuts.deploy.bench.ways.registry.Runner`.
        choices: Likewise.
    """

    @torch.inference_mode()
    def run(batch: Batch) -> np.ndarray[Any, Any]:
        inputs = {name: torch.from_numpy(values).to(device) for name, values in batch.items()}
        logits: Tensor = model(**inputs).logits
        return logits.float().cpu().numpy()

    return Runner(run, notes, choices)


def _dense(folder: Path, setting: Setting, dtype: torch.dtype) -> nn.Module:
    torch.set_num_threads(setting.threads)
    model = load_trained(str(folder), trust_remote_code=setting.trust_remote_code, dtype=dtype)
    return model.eval().requires_grad_(False).to(setting.device)


def _plain(dtype: torch.dtype) -> Callable[[Path, Setting], Runner]:
    return lambda folder, setting: runner(_dense(folder, setting, dtype), setting.device)


def _graphs(folder: Path, setting: Setting) -> Runner:
    return with_graphs(_dense(folder, setting, torch.bfloat16), setting.device)


def _sparse(precision: Precision) -> Callable[[Path, Setting], Runner]:
    def load(folder: Path, setting: Setting) -> Runner:
        torch.set_num_threads(
            setting.threads
        )  # before loading: which layers are sparse is measured with them
        model = load_sparse(folder, precision=precision, trust_remote_code=setting.trust_remote_code)
        choices = choices_of(model)
        assert choices is not None
        none = () if choices.sparse else ("every layer is faster dense on this machine, so none is sparse",)
        return runner(model, notes=none, choices=choices.as_json())

    return load


#: Kind → loader of a folder.
LOADERS: dict[str, Callable[[Path, Setting], Runner]] = {
    "fp32": _plain(torch.float32),
    "bf16": _plain(torch.bfloat16),
    "graphs": _graphs,
    "sparse-fp32": _sparse("float32"),
    "sparse-bf16": _sparse("bfloat16"),
}
