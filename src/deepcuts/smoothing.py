"""Smoothing: the mean gradient over passes in which every linear layer's output is noisy.

Source: DeepCuts, eqs. 8 and 9, after SmoothGrad (Smilkov et al., 2017). Any criterion that reads a
gradient can be given this one instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.options import ScoringOptions
from deepcuts.seeds import derive_seed
from deepcuts.statistics import Batch, LossFunction, Receive, accumulate_gradients, stream_gradients


def stream_smooth_gradients(
    model: nn.Module,
    batch: Batch,
    parameters: Mapping[str, nn.Parameter],
    loss_fn: LossFunction,
    options: ScoringOptions,
    seed: int,
    receive: Receive,
) -> None:
    """Hand on ``(1/η) Σ_i g_i`` over η noisy passes of one batch; the parameters' ``.grad`` holds the sum.

    Within `deepcuts.statistics.own_gradients`.

    Args:
        model: The model, on its device.
        batch: The batch, on the same device.
        parameters: What to differentiate by.
        loss_fn: Gives the loss.
        options: `paths` is η, `noise_std` the noise's standard deviation.
        seed: The batch's own seed; the same seed gives the same noise.
        receive: Called with name and mean gradient once for every parameter.
    """
    for path in range(options.paths):
        with noisy_linear_layers(model, options.noise_std, derive_seed(seed, "path", path)):
            loss = loss_fn(model, batch)
            if path < options.paths - 1:
                accumulate_gradients(loss, parameters)
            else:
                stream_gradients(loss, parameters, lambda name, total: receive(name, total / options.paths))


@contextmanager
def noisy_linear_layers(model: nn.Module, std: float, seed: int) -> Iterator[None]:
    """Add Gaussian noise of mean 0 to the output of every linear layer of the model, the head's included.

    Args:
        model: Any module.
        std: Standard deviation of the noise.
        seed: Seed of the noise of all layers together; the global generators are not used.
    """
    generators: dict[torch.device, torch.Generator] = {}

    def add_noise(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        generator = generators.get(output.device)
        if generator is None:
            generator = generators[output.device] = torch.Generator(output.device).manual_seed(seed)
        noise = torch.randn(output.shape, generator=generator, device=output.device, dtype=output.dtype)
        return output.add(noise, alpha=std)

    # First in line: a head that bounds its output does so by a hook, and the noise belongs before it.
    hooks = [
        module.register_forward_hook(add_noise, prepend=True)
        for module in model.modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
