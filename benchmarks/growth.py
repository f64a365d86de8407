"""Scoring time against batches and layers: both straight lines; and memory against batches: flat."""

from __future__ import annotations

import resource
import statistics
import time
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from benchmarks.shapes import batch_of, model_of
from deepcuts import score

STRATEGIES = ["LayerMagGrad", "LayerGradCAMShift"]


def measure_growth(layers: list[int], batches: list[int], tokens: int = 16, rows: int = 4) -> dict[str, Any]:
    """Seconds and memory of sweeps over small batches of the MiniLM shape.

    Args:
        layers: Numbers of layers, each with ten batches.
        batches: Numbers of batches, each with two layers.
        tokens: Tokens of a row.
        rows: Rows of a batch.
    """
    batch = batch_of(tokens, rows)
    by_layers = []
    for count in layers:
        model = model_of("MiniLM", num_hidden_layers=count)
        seconds = [_seconds(model, batch, 10) for _ in range(4)][1:]
        by_layers.append({"layers": count, "seconds_a_batch": statistics.median(seconds) / 10})
    model = model_of("MiniLM", num_hidden_layers=2)
    _seconds(model, batch, 2)
    by_batches = []
    for count in batches:
        seconds = [_seconds(model, batch, count)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        by_batches.append({"batches": count, "seconds": seconds[0], "peak_kib": peak})
    return {"by_layers": by_layers, "by_batches": by_batches}


def draw_growth(found: dict[str, Any], path: Path) -> None:
    """Draw both into one picture, with the straight line through the first and last point."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    panels = [
        ("by_layers", "layers", "seconds_a_batch", "encoder layers", "seconds a batch"),
        ("by_batches", "batches", "seconds", "batches", "seconds"),
        ("by_batches", "batches", "peak_kib", "batches", "peak memory, MiB"),
    ]
    for axis, (series, x, y, x_title, y_title) in zip(axes, panels, strict=True):
        xs = [point[x] for point in found[series]]
        ys = [point[y] / (1024 if y == "peak_kib" else 1) for point in found[series]]
        axis.plot(xs, ys, "o", color="#0072b2", label="measured")
        axis.plot([xs[0], xs[-1]], [ys[0], ys[-1]], "--", color="#666666", label="first to last")
        axis.set(xlabel=x_title, ylabel=y_title, ylim=(0, None))
        axis.legend()
    figure.savefig(path)
    plt.close(figure)


def _seconds(model: Any, batch: Any, count: int) -> float:
    started = time.perf_counter()
    score(model, islice(repeat(batch), count), STRATEGIES)
    return time.perf_counter() - started
