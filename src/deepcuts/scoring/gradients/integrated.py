"""Integrated gradients by weights: the mean gradient on the straight way from no weights to these.

Formula: ``mean over k of ∂L/∂w at α_k · w``, α_k = (k − ½) / m. Source: Sundararajan et al., "Axiomatic
attribution for deep networks", 2017, with weights in the place of inputs: w times it adds up to L(w) − L(0)
as m grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deepcuts.common.options import Option
from deepcuts.scoring.gradients.registry import Passes, gradient

POINTS = Option(
    "points",
    int,
    8,
    "m, points on the way of integrated gradients, a pass each.",
    symbol="m",
    at_least=1,
    title="points on the way, m",
)


@gradient(
    "Integrated",
    passes=lambda options: int(options.points),
    formula="∫g",
    source="Sundararajan et al., 2017",
    cost="m passes",
    options=[POINTS],
)
@contextmanager
def integrated(passes: Passes) -> Iterator[None]:
    """All prunable tensors are scaled together; they come back bit for bit."""
    import torch  # late: a command's help should not wait for it

    (number,) = passes.numbers
    scale = (number + 0.5) / passes.options.points
    held = [(parameter, parameter.detach().clone()) for parameter in passes.parameters.values()]
    try:
        with torch.no_grad():
            for parameter, _ in held:
                parameter.mul_(scale)
        yield
    finally:
        with torch.no_grad():
            for parameter, value in held:
                parameter.copy_(value)
