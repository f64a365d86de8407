"""A gradient of somebody else's: that of the loss where every prunable weight is half as large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from deepcuts import Option, Passes, gradient

SHARE = Option("share", float, 0.5, "Where the gradient is taken, as a share of the weights.", above=0)
STEPS = Option("steps", int, 1, "Passes, at equal distances up to the share.", at_least=1)


@gradient(
    "Half",
    passes=lambda options: int(options.steps),
    formula="g at w/2",
    source="a test",
    cost="1 pass or more",
    options=[SHARE, STEPS],
)
@contextmanager
def half(passes: Passes) -> Iterator[None]:
    """Scale the weights; they come back bit for bit."""
    (number,) = passes.numbers
    scale = passes.options.share * (number + 1) / passes.options.steps
    held = {parameter: parameter.detach().clone() for parameter in passes.parameters.values()}
    try:
        with torch.no_grad():
            for parameter in held:
                parameter.mul_(scale)
        yield
    finally:
        with torch.no_grad():
            for parameter, value in held.items():
                parameter.copy_(value)
