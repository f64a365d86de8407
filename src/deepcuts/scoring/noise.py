"""Noise on the outputs of linear layers, the same again where a pass is recomputed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.common.errors import ScoringError

_SAMPLE = 64  # elements by which the calls of one layer are told apart


class NotTogetherError(Exception):
    """Several passes can't be run as one batch of this model."""


class _Noise:
    """Draws the noise of one pass, and remembers from where, for checkpointing that runs layers again."""

    def __init__(self, std: float, seeds: tuple[int, ...]) -> None:
        self._std = std
        self._seeds = seeds
        self._generators: dict[torch.device, list[torch.Generator]] = {}
        self._rows: int | None = None  # of the first output: that of all the others as well
        # Of each layer's calls: a sample of the output, and the generators' states before the noise.
        self._calls: dict[nn.Module, list[tuple[Tensor, list[Tensor]]]] = {}

    def add(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        """The output with noise; a forward hook."""
        if output.device not in self._generators:
            self._generators[output.device] = [
                torch.Generator(output.device).manual_seed(seed) for seed in self._seeds
            ]
        generators = self._generators[output.device]
        if torch._C._current_graph_task_id() != -1:  # in the midst of a backward pass
            return self._added(output, self._as_before(layer, output))
        self._check_rows(output)
        if torch.is_grad_enabled():
            sample = output.detach().flatten()[:_SAMPLE].clone()
            states = [generator.get_state() for generator in generators]
            self._calls.setdefault(layer, []).append((sample, states))
        return self._added(output, generators)

    def _check_rows(self, output: Tensor) -> None:
        if len(self._seeds) > 1:
            if self._rows is None:
                self._rows = len(output)
            if len(output) % len(self._seeds) or len(output) != self._rows:
                raise NotTogetherError

    def _added(self, output: Tensor, generators: list[torch.Generator]) -> Tensor:
        noise = torch.empty_like(output, memory_format=torch.contiguous_format, requires_grad=False)
        for share, generator in zip(noise.chunk(len(generators)), generators, strict=True):
            share.normal_(generator=generator)
        return output.add(noise, alpha=self._std)

    def _as_before(self, layer: nn.Module, output: Tensor) -> list[torch.Generator]:
        """Generators in the states in which they were when this call was made first."""
        sample = output.detach().flatten()[:_SAMPLE]
        for known, states in self._calls.get(layer, []):
            if torch.equal(known, sample):
                return [torch.Generator(output.device).set_state(state) for state in states]
        raise ScoringError(
            f"{layer} is run again in the backward pass with other inputs than in the forward pass, so it "
            "can't get the same noise; switch checkpointing off"
        )


def repeated(batch: Any, times: int) -> Any:
    """The rows of a batch several times over: all of them, then all of them again; what has no rows once.

    Args:
        batch: A mapping; where it is to be there but once, anything.
        times: How often.
    """
    if times == 1:
        return batch
    return {
        name: value.repeat(times, *[1] * (value.dim() - 1))
        if isinstance(value, Tensor) and value.dim()
        else value
        for name, value in batch.items()
    }


@contextmanager
def noisy_linear_layers(model: nn.Module, std: float, *seeds: int) -> Iterator[None]:
    """Add Gaussian noise of mean 0 to the output of every linear layer of the model, the head's included.

    A layer that checkpointing runs again in the backward pass gets the noise that it had.

    Args:
        model: Any module.
        std: Standard deviation of the noise.
        seeds: Seed of the noise of all layers; the global generators are not used. Of several, each is for
            its equal share of the rows, which then get the noise that they would get on their own.

    Raises:
        NotTogetherError: There are several seeds, and a layer does not see the rows as they are in the batch.
    """
    noise = _Noise(std, seeds)
    # First in line: a head that bounds its output does so by a hook, and the noise belongs before it.
    hooks = [
        module.register_forward_hook(noise.add, prepend=True)
        for module in model.modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
