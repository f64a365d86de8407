"""Peak memory of scoring, selecting and training, each case in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from benchmarks.scoring import ALL, CASES, SMOOTH
from benchmarks.shapes import batch_of, device, forward_and_backward, model_of, prunable_shapes
from benchmarks.training import DENSITY, WAYS, steppers
from deepcuts import Budget, Scores, ScoringOptions, Strategy, score, select
from deepcuts.deploy.bench.memory import of_this_process

BARE, KEPT = "bare pass", "bare pass that adds to the gradients of one before"
#: Case → the pass that its peak is compared with: smoothing adds up the gradients of its paths.
SCORED = {"GradCAMShift": BARE, ALL: BARE, SMOOTH: KEPT}


def peak_bytes() -> int:
    """The most that this process has held so far: RAM, or what the GPU's allocator gave."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    peak = of_this_process()[1]
    if peak is None:
        raise RuntimeError("this system does not say how much memory a process has held")
    return peak


def peak_of_scoring(shape: str, tokens: int, case: str) -> int:
    """Bytes at the peak of a bare pass or of a case of scoring, in this process."""
    model, batch = model_of(shape), batch_of(tokens)
    if case == KEPT:
        for _ in range(2):
            model(**batch).loss.backward()
    elif case == BARE:
        for _ in range(2):
            forward_and_backward(model, batch)
    else:
        score(model, [batch] * 2, CASES[case], options=ScoringOptions(paths=2))
    return peak_bytes()


def peak_of_selection(shape: str) -> int:
    """Bytes that a global selection, which needs the most, takes beyond the scores; masks included."""
    tensors = {name: torch.empty(size, device=device()) for name, size in prunable_shapes(shape).items()}
    for value in tensors.values():  # in place, so that nothing larger was there before
        value.uniform_()
    scores = Scores(tensors, Strategy.parse("GlobalMagGrad"))
    select(Scores({"x": torch.rand(64, device=device())}, scores.strategy), Budget.from_density(DENSITY))
    before = peak_bytes()
    select(scores, Budget.from_density(DENSITY))
    return peak_bytes() - before


def peak_of_training(shape: str, tokens: int, way: str) -> int:
    """Bytes at the peak of two training steps."""
    with steppers(shape, batch_of(tokens), [way]) as steps:
        for _ in range(2):
            steps[way]()
    return peak_bytes()


def measure_memory(shape: str, tokens: int) -> dict[str, dict[str, dict[str, float]]]:
    """Bytes of every case, and beyond what it is compared with for each prunable weight.

    Returns:
        ``"scoring"``, beyond its bare pass, with the number of ``"scores"``; ``"selection"``, beyond the
        scores; and ``"training"``, beyond dense training: case → its numbers.
    """
    weights = sum(size.numel() for size in prunable_shapes(shape).values())
    scoring = {case: _measured("scoring", shape, tokens, case) for case in (BARE, KEPT, *SCORED)}
    selection = _measured("selection", shape)
    training = {way: _measured("training", shape, tokens, way) for way in WAYS}
    return {
        "scoring": {
            case: {
                "bytes": found,
                "per_weight": (found - scoring[SCORED.get(case, case)]) / weights,
                "scores": len(CASES.get(case, ())),
            }
            for case, found in scoring.items()
        },
        "selection": {"global scope": {"bytes": selection, "per_weight": selection / weights}},
        "training": {
            way: {"bytes": found, "per_weight": (found - training["dense"]) / weights}
            for way, found in training.items()
        },
    }


def _measured(what: str, *arguments: object) -> int:
    given = ", ".join(map(repr, arguments))
    code = f"from benchmarks.memory import peak_of_{what} as peak; print(peak({given}))"
    # glibc learns to keep large blocks for itself; then what a process resides in is what it once held.
    held = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    done = subprocess.run([sys.executable, "-c", code], env=held, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{what} {given}: {done.stderr[-2000:]}")
    return int(done.stdout.splitlines()[-1])
