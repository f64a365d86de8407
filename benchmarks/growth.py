"""Scoring time against batches and layers: both straight lines; and memory against batches: flat."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_bytes
from benchmarks.shapes import batch_of, model_of
from deepcuts import score
from deepcuts.common.timing import clock

STRATEGIES = ["LayerMagGrad", "LayerGradCAMShift"]
ROWS, TOKENS = 2, 16


def measure_growth(layers: Sequence[int], batches: Sequence[int]) -> dict[str, Any]:
    """Seconds and memory of sweeps over small batches of the MiniLM shape.

    Args:
        layers: Numbers of layers, each with ten batches.
        batches: Numbers of batches, ascending, each with two layers; in a process of their own, whose peak
            memory is theirs alone.
    """
    code = f"from benchmarks.growth import print_by_batches; print_by_batches({list(batches)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return {
        "by_layers": [{"layers": count, "seconds_a_batch": _a_batch(count)} for count in layers],
        "by_batches": json.loads(done.stdout.splitlines()[-1]),
    }


def print_by_batches(batches: Sequence[int]) -> None:
    """Print seconds and the peak so far of a sweep over so many batches each, as JSON."""
    model, batch = model_of("MiniLM", num_hidden_layers=2), batch_of(TOKENS, ROWS)
    _seconds(model, batch, 5)
    found = []
    for count in batches:
        seconds = _seconds(model, batch, count)
        found.append({"batches": count, "seconds": seconds, "peak_bytes": peak_bytes()})
    print(json.dumps(found))


def draw_growth(found: dict[str, Any], path: Path) -> None:
    """Draw both into one picture, with the straight line through the first and last point."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    panels = [
        ("by_layers", "layers", "seconds_a_batch", "encoder layers", "seconds a batch"),
        ("by_batches", "batches", "seconds", "batches", "seconds"),
        ("by_batches", "batches", "peak_bytes", "batches", "peak memory, MiB"),
    ]
    for axis, (series, x, y, x_title, y_title) in zip(axes, panels, strict=True):
        xs = [point[x] for point in found[series]]
        ys = [point[y] / (2**20 if y == "peak_bytes" else 1) for point in found[series]]
        axis.plot(xs, ys, "o", color="#0072b2", label="measured")
        axis.plot([xs[0], xs[-1]], [ys[0], ys[-1]], "--", color="#666666", label="first to last")
        axis.set(xlabel=x_title, ylabel=y_title, ylim=(0, None))
        axis.legend()
    figure.savefig(path)
    plt.close(figure)


def off_the_line(points: Sequence[dict[str, float]], x: str, y: str) -> float:
    """How far any point is from the straight line through the first and last, as a share of the line."""
    (x0, y0), (x1, y1) = ((point[x], point[y]) for point in (points[0], points[-1]))
    line = [y0 + (point[x] - x0) * (y1 - y0) / (x1 - x0) for point in points]
    return max(abs(point[y] - on) / on for point, on in zip(points, line, strict=True))


def _a_batch(layers: int, batches: int = 10) -> float:
    model, batch = model_of("MiniLM", num_hidden_layers=layers), batch_of(TOKENS, ROWS)
    return statistics.median([_seconds(model, batch, batches) for _ in range(4)][1:]) / batches


def _seconds(model: Any, batch: Any, count: int) -> float:
    started = clock()
    score(model, islice(repeat(batch), count), STRATEGIES)
    return clock() - started
