"""What all ways to run a model by PyTorch share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from deepcuts.deploy.bench.ways.registry import Batch, Runner, Setting
from deepcuts.deploy.runtime import choices_of
from deepcuts.deploy.runtime import load as load_sparse
from deepcuts.deploy.runtime.kernel import Precision
from deepcuts.models.loading import load_trained
from deepcuts.models.purpose import predictions_of


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
        notes: See `deepcuts.deploy.bench.ways.Runner`.
        choices: Likewise.
    """
    read = predictions_of(model)

    @torch.inference_mode()
    def run(batch: Batch) -> np.ndarray[Any, Any]:
        inputs = {name: torch.from_numpy(values).to(device) for name, values in batch.items()}
        found: np.ndarray[Any, Any] = read(model(**inputs)).float().cpu().numpy()
        return found

    return Runner(run, notes, choices)


def load_dense(folder: Path, setting: Setting, dtype: str) -> nn.Module:
    """A dense model on the setting's device, for inference alone.

    Args:
        folder: Where it is.
        setting: How.
        dtype: Of its weights, as torch spells it.
    """
    torch.set_num_threads(setting.threads)
    model = load_trained(
        str(folder), trust_remote_code=setting.trust_remote_code, dtype=getattr(torch, dtype)
    )
    return model.eval().requires_grad_(False).to(setting.device)


def sparse_runner(folder: Path, setting: Setting, precision: Precision) -> Runner:
    """A folder in the sparse format, by the sparse runtime."""
    torch.set_num_threads(setting.threads)
    model = load_sparse(folder, precision=precision, trust_remote_code=setting.trust_remote_code)
    choices = choices_of(model)
    assert choices is not None
    none = () if choices.sparse else ("every layer is faster dense on this machine, so none is sparse",)
    return runner(model, notes=none, choices=choices.as_json())
