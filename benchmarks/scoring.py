"""Scoring beside a bare forward and backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from benchmarks.plain import score_plainly
from benchmarks.shapes import batch_of, forward_and_backward, model_of
from benchmarks.timing import Beside, Timed
from deepcuts import ScoringOptions, Strategy, prunable_parameters, score
from deepcuts.scoring.criteria import REGISTRY

SMOOTH = "SmoothGrad, a path"
ALL = "all of one pass"
PLAIN = "GradCAMShift, as the equations read"
CASES: dict[str, list[str]] = {
    "MagGrad": ["LayerMagGrad"],
    "GradCAM": ["LayerGradCAM"],
    "GradCAMShift": ["LayerGradCAMShift"],
    ALL: [str(Strategy(name)) for name, entry in REGISTRY.items() if not entry.accumulates],
    SMOOTH: ["LayerSmoothGrad"],
}
EVERY = (*CASES, PLAIN)

#: Shape, tokens → turns, and what is timed: less of it where a pass takes seconds.
SHAPES: dict[tuple[str, int], tuple[int, Sequence[str]]] = {
    ("MiniLM", 16): (7, EVERY),
    ("MiniLM", 32): (7, EVERY),
    ("MiniLM", 128): (3, ("GradCAMShift", ALL, SMOOTH)),
    ("BERT-base", 16): (3, ("GradCAMShift", ALL, SMOOTH)),
    ("BERT-base", 32): (3, EVERY),
    ("BERT-base", 128): (2, ("GradCAMShift",)),
}


def plan() -> dict[tuple[str, int], tuple[int, Sequence[str]]]:
    """`SHAPES` on a processor; on a GPU, where a pass takes milliseconds, all of it and more often."""
    return dict.fromkeys(SHAPES, (20, EVERY)) if torch.cuda.is_available() else SHAPES


def paths() -> int:
    """η: the method's own on a GPU, where paths run together; fewer on a processor, one after another."""
    return ScoringOptions().paths if torch.cuda.is_available() else 3


def time_scoring(shape: str, tokens: int, turns: int, cases: Sequence[str] = EVERY) -> dict[str, Timed]:
    """A batch of each case beside a bare pass; smoothed scores are divided by their paths."""
    model, batch = model_of(shape), batch_of(tokens)
    bare = partial(forward_and_backward, model)
    fewer = max(1, turns // 2)
    found = {}
    for case in cases:
        beside = Beside([batch] * (1 + (fewer if case in (SMOOTH, PLAIN) else turns)), bare)
        if case == PLAIN:
            score_plainly(model, beside, list(prunable_parameters(model)), "GradCAMShift")
        else:
            score(model, beside, CASES[case], options=ScoringOptions(paths=paths()))
        timed = beside.timed()
        found[case] = timed.divided(paths()) if case == SMOOTH else timed
    return found
