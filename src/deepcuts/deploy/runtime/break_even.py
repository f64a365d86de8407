"""Up to which density a sparse layer is faster than a dense one: measured on this machine, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcuts.common.timing import Fastest, clock, in_turns
from deepcuts.deploy.runtime.kernel import Precision
from deepcuts.deploy.runtime.measured import recall
from deepcuts.deploy.runtime.sparse_linear import SparseLinear

_TOKENS = 128  # a sentence or two; with more or fewer, dense and sparse times change about alike
#: The time between two of them is taken as a straight line; over all of them it bends.
DENSITIES = (0.02, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
_MOST_TURNS = 200


def break_even(shape: tuple[int, int], precision: Precision, dense_type: torch.dtype) -> float:
    """The density below which a sparse layer of a shape beats a dense one, on this machine.

    Measured on 128 tokens, with masks drawn at random, on one thread; kept for this machine, see
    `deepcuts.deploy.runtime.measured`. Dense and sparse layers divide their work alike, so more threads
    move it little; but where something else has a processor, several threads wait for the slowest of them,
    and ten measurements on two threads gave 0.39 to 1.

    Args:
        shape: ``(out_features, in_features)``.
        precision: Of the sparse layer.
        dense_type: Of the dense layer's weights.

    Returns:
        Between 0 (a dense layer is always faster) and 1 (never).
    """
    question = {
        "break_even": list(shape),
        "precision": precision,
        "dense": str(dense_type).removeprefix("torch."),
        "tokens": _TOKENS,
        "densities": list(DENSITIES),
    }
    return recall(question, lambda: _measure(shape, precision, dense_type))


def _measure(shape: tuple[int, int], precision: Precision, dense_type: torch.dtype) -> float:
    out_features, in_features = shape
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        weight = torch.randn(out_features, in_features, generator=generator)
        order = torch.rand(out_features, in_features, generator=generator)
        inputs = torch.randn(_TOKENS, in_features, generator=generator).to(dense_type)
        bias = torch.zeros(out_features, dtype=dense_type)
        dense = weight.to(dense_type)
        contenders: dict[str, Callable[[], Tensor]] = {"dense": lambda: F.linear(inputs, dense, bias)}
        for density in DENSITIES:
            linear = nn.Linear(in_features, out_features, dtype=dense_type)
            linear.weight = nn.Parameter((weight * (order < density)).to(dense_type), requires_grad=False)
            contenders[str(density)] = partial(SparseLinear.from_linear(linear, precision=precision), inputs)
        seconds = fastest(contenders)
    return crossing(seconds["dense"], DENSITIES, [seconds[str(density)] for density in DENSITIES])


def fastest(
    contenders: Mapping[str, Callable[[], object]], *, clock: Callable[[], float] = clock
) -> dict[str, float]:
    """The least seconds of each on one thread, taken in turns until they no longer fall.

    Args:
        contenders: Name → what is done.
        clock: Says the time, in seconds.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = in_turns(contenders, _MOST_TURNS, clock=clock, enough=Fastest())
    finally:
        torch.set_num_threads(threads)
    return {name: min(seconds) for name, seconds in times.items()}


def crossing(dense_time: float, densities: Sequence[float], times: Sequence[float]) -> float:
    """Where the sparse times, as a function of the density, meet the dense time; within 0 and 1.

    A layer with fewer weights takes no longer than one with more. So a time above that of a higher density
    was disturbed, and that one's is taken for it. Beyond the first and the last density, the lines go on.

    Args:
        dense_time: Of the dense layer.
        densities: Of the sparse layers, ascending, two or more.
        times: Of the sparse layers.
    """
    rising = [min(times[number:]) for number in range(len(times))]
    points = list(zip(densities, rising, strict=True))
    if dense_time < rising[0]:
        return _on_line(dense_time, *points[:2])
    for before, after in pairwise(points):
        if dense_time < after[1]:
            return _on_line(dense_time, before, after)
    return _on_line(dense_time, *points[-2:])


def _on_line(time: float, first: tuple[float, float], second: tuple[float, float]) -> float:
    """The density at which a line through two points, density and time, reaches a time."""
    slope = (second[1] - first[1]) / (second[0] - first[0])
    if slope <= 0:  # work so small that the density does not matter
        return float(first[1] <= time)
    return min(max(first[0] + (time - first[1]) / slope, 0.0), 1.0)
