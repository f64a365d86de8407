"""Peak memory of scoring, each case in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import torch

from benchmarks.scoring import CASES
from benchmarks.shapes import batch_of, forward_and_backward, model_of
from deepcuts import ScoringOptions, prunable_parameters, score

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def peak(shape: str, tokens: int, case: str) -> int:
    """Bytes at the peak of one case in this process: RAM, or the GPU's allocator."""
    model, batch = model_of(shape), batch_of(tokens)
    if case == "bare pass":
        for _ in range(2):
            forward_and_backward(model, batch)
    elif case != "model":
        score(model, [batch] * 2, CASES[case], options=ScoringOptions(paths=2))
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def measure_memory(shape: str, tokens: int) -> dict[str, dict[str, float]]:
    """Bytes at the peak of each case, in all, and above the bare pass for each prunable weight."""
    weights = sum(value.numel() for value in prunable_parameters(model_of(shape)).values())
    found: dict[str, dict[str, float]] = {}
    for case in ["model", "bare pass", *CASES]:
        code = f"from benchmarks.memory import peak; print(peak({shape!r}, {tokens}, {case!r}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        found[case] = {"bytes": int(json.loads(done.stdout.splitlines()[-1]))}
    for values in found.values():
        values["above_bare_per_weight"] = (values["bytes"] - found["bare pass"]["bytes"]) / weights
    return found
