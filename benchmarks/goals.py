"""The goals, and whether what was measured meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.cutting import PARTITION, PRUNE
from benchmarks.growth import off_the_line
from benchmarks.memory import SCORED
from benchmarks.scoring import ALL, SMOOTH

ALONE = ("MagGrad", "GradCAM", "GradCAMShift")


@dataclass(frozen=True)
class Goal:
    """One number that is to be reached.

    Attributes:
        what: What is measured.
        unit: Of both numbers; empty for a ratio.
        limit: The most that is allowed, or the least.
        value: What was measured.
        at_least: Whether the limit is the least.
    """

    what: str
    unit: str
    limit: float
    value: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is reached; the number as measured counts, not as printed."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def goals(found: Mapping[str, Any], on_gpu: bool) -> list[Goal]:
    """Every goal about which there are numbers, in the order of the page.

    Args:
        found: What the benchmark wrote; a part that is missing gives no goals.
        on_gpu: Whether it ran on a GPU, where smoothing has another goal.
    """
    parts = {
        "scoring": _scoring,
        "memory": _memory,
        "cutting": _cutting,
        "training": _training,
        "job": _job,
        "growth": _growth,
    }
    return [goal for part, make in parts.items() if part in found for goal in make(found[part], on_gpu)]


def _scoring(found: Mapping[str, Any], on_gpu: bool) -> Iterator[Goal]:
    for column, cases in found.items():
        if column.endswith(", 32 tokens"):
            for case in ALONE:
                if case in cases:
                    yield Goal(f"scoring: {case} alone, {column}", "", 1.10, cases[case]["ratio"])
            if ALL in cases:
                yield Goal(f"scoring: all scores of one pass, {column}", "", 1.25, cases[ALL]["ratio"])
    for column, cases in found.items():
        if SMOOTH in cases and not (on_gpu and column.endswith(", 128 tokens")):
            limit = 0.35 if on_gpu else 1.05
            yield Goal(f"scoring: {SMOOTH}, {column}", "", limit, cases[SMOOTH]["ratio"])


def _memory(found: Mapping[str, Any], on_gpu: bool) -> Iterator[Goal]:
    unit = "bytes a weight"
    for case, one in found["scoring"].items():
        if case in SCORED:
            what = f"memory: {case}, beyond a {SCORED[case]}"
            yield Goal(what, unit, 4.0 * one["scores"], one["per_weight"])
    # One copy, and a byte for the mask, which is the result.
    selection = found["selection"]["global scope"]["per_weight"]
    yield Goal("memory: selection, beyond the scores, masks included", unit, 5.0, selection)
    # A byte for the mask that is given and one for how it is held; a copy of the weights would be four.
    held = found["training"]["deepcuts"]["per_weight"]
    yield Goal("memory: held masks, beyond dense training", unit, 3.0, held)


def _cutting(found: Mapping[str, Any], on_gpu: bool) -> Iterator[Goal]:
    (cases,) = found.values()
    ours = {name: one for name, one in cases.items() if name.startswith("deepcuts")}
    if not on_gpu:
        for name, one in ours.items():
            yield Goal(f"cutting: {name}, beside {PARTITION}", "", 1.5, one["ratio"])
    if PRUNE in cases:
        slowest = max(one["seconds"] for one in ours.values())
        yield Goal(f"cutting: times faster than {PRUNE}", "", 20.0, cases[PRUNE]["seconds"] / slowest, True)


def _training(found: Mapping[str, Any], on_gpu: bool) -> Iterator[Goal]:
    for column, cases in found.items():
        if column.startswith("BERT-base"):
            yield Goal(f"training under masks, {column}", "", 1.03, cases["deepcuts"]["ratio"])


def _job(found: Mapping[str, Any], on_gpu: bool) -> Iterator[Goal]:
    share = 100 * found["other_share"]
    yield Goal("the whole job: time outside of forward, backward and optimizer", "%", 10.0, share)
    yield Goal("start: first line of deepcuts prune", "s", 3.0, found["start"]["first line"])
    yield Goal("start: deepcuts --help", "s", 1.0, found["start"]["help"])


def _growth(found: Mapping[str, Any], on_gpu: bool) -> Iterator[Goal]:
    layers, batches = found["by_layers"], found["by_batches"]
    off = 100 * off_the_line(layers, "layers", "seconds_a_batch")
    yield Goal(f"growth: off the straight line, {_range(layers, 'layers')} layers", "%", 10.0, off)
    off = 100 * off_the_line(batches, "batches", "seconds")
    yield Goal(f"growth: off the straight line, {_range(batches, 'batches')} batches", "%", 10.0, off)
    more = 100 * (batches[-1]["peak_bytes"] / batches[0]["peak_bytes"] - 1)
    yield Goal(f"growth: more memory, {_range(batches, 'batches')} batches", "%", 2.0, more)


def _range(points: Any, name: str) -> str:
    return f"{points[0][name]:,} to {points[-1][name]:,}"
