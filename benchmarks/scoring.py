"""Scoring beside a bare forward and backward pass."""

from __future__ import annotations

from functools import partial

from benchmarks.plain import score_plainly
from benchmarks.shapes import batch_of, forward_and_backward, model_of
from benchmarks.timing import Beside, Timed
from deepcuts import ScoringOptions, prunable_parameters, score

ONE_PASS = ["LayerMagGrad", "LayerGradCAM", "LayerGradCAMShift", "LayerGradCAMReLU"]
PATHS = 3
CASES: dict[str, list[str]] = {
    "MagGrad": ["LayerMagGrad"],
    "GradCAM": ["LayerGradCAM"],
    "GradCAMShift": ["LayerGradCAMShift"],
    "all of one pass": [*ONE_PASS, "LayerMagWeight", "Random"],
    "SmoothGrad, a path": ["LayerSmoothGrad"],
}


def time_scoring(shape: str, tokens: int, turns: int) -> dict[str, Timed]:
    """A batch of each case beside a bare pass; smoothed scores are divided by their paths."""
    model, batch = model_of(shape), batch_of(tokens)
    bare = partial(forward_and_backward, model, batch)
    found = {}
    for case, strategies in CASES.items():
        smooth = "Smooth" in case
        beside = Beside(batch, bare, max(2, turns // 2) if smooth else turns)
        score(model, beside, strategies, options=ScoringOptions(paths=PATHS))
        timed = beside.timed()
        found[case] = _divided(timed, PATHS) if smooth else timed
    names = list(prunable_parameters(model))
    beside = Beside(batch, bare, max(2, turns // 2))
    score_plainly(model, beside, names, "GradCAMShift")
    found["GradCAMShift, as the equations read"] = beside.timed()
    return found


def _divided(timed: Timed, by: int) -> Timed:
    return Timed(timed.seconds / by, timed.ratio / by, timed.low / by, timed.high / by, timed.turns)
