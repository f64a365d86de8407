"""Up to which density a sparse layer is faster than a dense one: measured here and now, not guessed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcuts.deploy.runtime import kernel
from deepcuts.deploy.runtime.kernel import Precision
from deepcuts.deploy.runtime.sparse_linear import SparseLinear

_TOKENS = 128  # a sentence or two; with more or fewer, dense and sparse times change about alike
_DENSITIES = (0.05, 0.4)  # between and beyond them the time is taken as a straight line
_REPEATS = 7


def break_even(shape: tuple[int, int], precision: Precision, dense_type: torch.dtype) -> float:
    """The density below which a sparse layer of a shape beats a dense one, on this machine.

    Measured on 128 tokens, with the threads that PyTorch uses and masks drawn at random; kept for the rest of
    the process.

    Args:
        shape: ``(out_features, in_features)``.
        precision: Of the sparse layer.
        dense_type: Of the dense layer's weights.

    Returns:
        Between 0 (a dense layer is always faster) and 1 (never).
    """
    return _measured(shape, precision, dense_type, torch.get_num_threads(), kernel.chosen())


@cache
def _measured(
    shape: tuple[int, int],
    precision: Precision,
    dense_type: torch.dtype,
    threads: int,
    run: kernel.Kernel | None,
) -> float:
    # What the result depends on is in the arguments, though not all of them are read.
    out_features, in_features = shape
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        weight = torch.randn(out_features, in_features, generator=generator)
        order = torch.rand(out_features, in_features, generator=generator)
        inputs = torch.randn(_TOKENS, in_features, generator=generator).to(dense_type)
        bias = torch.zeros(out_features, dtype=dense_type)
        dense = weight.to(dense_type)
        contenders: list[Callable[[], Tensor]] = [lambda: F.linear(inputs, dense, bias)]
        for density in _DENSITIES:
            linear = nn.Linear(in_features, out_features, dtype=dense_type)
            linear.weight = nn.Parameter((weight * (order < density)).to(dense_type), requires_grad=False)
            contenders.append(partial(SparseLinear.from_linear(linear, precision=precision), inputs))
        dense_time, *sparse_times = median_seconds(contenders)
    return crossing(dense_time, _DENSITIES, (sparse_times[0], sparse_times[1]))


def crossing(dense_time: float, densities: tuple[float, float], times: tuple[float, float]) -> float:
    """Where the line through two measured sparse times meets the dense time, within 0 and 1.

    Args:
        dense_time: Of the dense layer.
        densities: Of the two sparse layers, ascending.
        times: Of the two sparse layers.
    """
    slope = (times[1] - times[0]) / (densities[1] - densities[0])
    if slope <= 0:  # noise, or work so small that the density does not matter
        return float(min(times) < dense_time)
    return min(max(densities[0] + (dense_time - times[0]) / slope, 0.0), 1.0)


def median_seconds(contenders: Sequence[Callable[[], object]]) -> list[float]:
    """Of each, taken in turns, so that whatever disturbs the machine disturbs all. A first turn prepares."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(_REPEATS + 1):
        for contender, found in zip(contenders, seconds, strict=True):
            start = time.perf_counter()
            contender()
            if turn > 0:
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in seconds]
