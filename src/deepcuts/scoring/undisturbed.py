"""What scoring changes of a model and of the process, put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Modes and random generators as before afterwards, also after an exception; no checkpointing until then.

    Reentrant checkpointing lets no gradient through to single parameters, and recomputing costs passes.
    """
    modes = {module: module.training for module in model.modules()}
    # As Hugging Face's models and layers spell it.
    checkpointed: list[Any] = [
        module for module in modes if vars(module).get("gradient_checkpointing") is True
    ]
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        try:
            for module in checkpointed:
                module.gradient_checkpointing = False
            yield
        finally:
            for module, training in modes.items():
                module.training = training
            for module in checkpointed:
                module.gradient_checkpointing = True
