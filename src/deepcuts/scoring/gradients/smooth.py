"""Smoothing: the mean gradient over passes in which every linear layer's output is noisy.

Source: DeepCuts, eqs. 8 and 9, after SmoothGrad (Smilkov et al., 2017).
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from deepcuts.common.options import Option
from deepcuts.common.seeds import derive_seed
from deepcuts.scoring.gradients.registry import Passes, gradient
from deepcuts.scoring.options import Limit

NOISE_STD = Option(
    "noise_std",
    float,
    0.1,  # the paper's variance of 0.01
    "Noise of smoothed scores.",
    at_least=0,
    title="noise, standard deviation",
)
PATHS = Option(
    "paths", int, 10, "η, noisy passes a batch.", symbol="η", at_least=1, title="noisy passes a batch, η"
)
MAX_SMOOTH_BATCHES = Option(
    "max_smooth_batches",
    int,
    None,
    "Batches at most, smoothed.",
    at_least=1,
    setting="smooth_batches",
    title="batches scored",
)


@gradient(
    "Smooth",
    passes=lambda options: int(options.paths),
    formula="mean(g)",
    source="DeepCuts, eq. 9",
    cost="η passes",
    options=[NOISE_STD, PATHS],
    limit=MAX_SMOOTH_BATCHES,
    stacks=True,
    keeps_weights=True,
    limits=[Limit("noise_std", "no noise", "", 0)],
)
def smooth(passes: Passes) -> AbstractContextManager[None]:
    """Noise on the output of every linear layer; a path's is the same whichever others it runs beside."""
    from deepcuts.scoring.noise import noisy_linear_layers  # late: it needs torch

    seeds = [derive_seed(passes.seed, "path", number) for number in passes.numbers]
    return noisy_linear_layers(passes.model, passes.options.noise_std, *seeds)
