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

from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.passes import Batch, LossFunction, Receive, accumulate_gradients, stream_gradients


def stream_smooth_gradients(
    model: nn.Module,
    batch: Batch,
    parameters: Mapping[str, nn.Parameter],
    loss_fn: LossFunction,
    options: ScoringOptions,
    seed: int,
    receive: Receive,
    *,
    together: int = 1,
) -> None:
    """Hand on ``(1/η) Σ_i g_i`` over η noisy passes of one batch; the parameters' ``.grad`` holds the sum.

    Within `deepcuts.scoring.passes.own_gradients`.

    Args:
        model: The model, on its device.
        batch: The batch, on the same device.
        parameters: What to differentiate by.
        loss_fn: Gives the loss.
        options: `paths` is η, `noise_std` the noise's standard deviation.
        seed: The batch's own seed; the same seed gives the same noise.
        receive: Called with name and mean gradient once for every parameter.
        together: How many paths are run as one larger batch, which suits a GPU. The loss must then be a
            mean over the rows, and every linear layer must see every row once.

    Raises:
        NotTogetherError: A layer does not see the rows as they are in the batch.
    """
    for start in range(0, options.paths, together):
        paths = range(start, min(start + together, options.paths))
        seeds = [derive_seed(seed, "path", path) for path in paths]
        with noisy_linear_layers(model, options.noise_std, *seeds):
            loss = loss_fn(model, _repeated(batch, len(paths))) * len(paths)
            if paths.stop < options.paths:
                accumulate_gradients(loss, parameters)
            else:
                stream_gradients(loss, parameters, lambda name, total: receive(name, total / options.paths))


class NotTogetherError(Exception):
    """Several paths can't be run as one batch of this model."""


def _repeated(batch: Batch, times: int) -> Batch:
    """The rows of a batch several times over: all of them, then all of them again."""
    if times == 1:
        return batch
    return {
        name: value.repeat(times, *[1] * (value.dim() - 1)) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }


@contextmanager
def noisy_linear_layers(model: nn.Module, std: float, *seeds: int) -> Iterator[None]:
    """Add Gaussian noise of mean 0 to the output of every linear layer of the model, the head's included.

    Args:
        model: Any module.
        std: Standard deviation of the noise.
        seeds: Seed of the noise of all layers; the global generators are not used. Of several, each is for
            its equal share of the rows, which then get the noise that they would get on their own.
    """
    generators: dict[torch.device, list[torch.Generator]] = {}
    rows: list[int] = []  # of the first output: that of all the others as well

    def add_noise(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if output.device not in generators:
            generators[output.device] = [torch.Generator(output.device).manual_seed(seed) for seed in seeds]
        if len(seeds) > 1:
            rows.append(len(output))
            if len(output) % len(seeds) or len(output) != rows[0]:
                raise NotTogetherError
        noise = torch.empty_like(output, memory_format=torch.contiguous_format, requires_grad=False)
        for share, generator in zip(noise.chunk(len(seeds)), generators[output.device], strict=True):
            share.normal_(generator=generator)
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
