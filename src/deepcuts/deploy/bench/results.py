"""What a bench found of each way to run the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from deepcuts.common.timing import Timing
from deepcuts.deploy.bench.memory import Memory
from deepcuts.deploy.bench.shape import Shape


@dataclass
class Result:
    """One way to run the model; what could not be measured is None or missing.

    Attributes:
        name: See `deepcuts.deploy.bench.ways.Way`.
        title: Likewise.
        sparse: Likewise.
        bytes: Of its files, with config and tokenizer.
        memory: Of a process that does nothing else.
        measures: The task's, on dev.
        difference: The largest difference of its logits from the reference's, on the batches that are timed.
        timings: Of a batch of each shape.
        skipped: Why it could not be run at all.
        fault: Why it must not be used, though it runs.
        notes: What else there is to say.
        choices: Which layers run sparse and why, for the sparse runtime; see `deepcuts.runtime.Choices`.
    """

    name: str
    title: str
    sparse: bool = False
    bytes: int | None = None
    memory: Memory | None = None
    measures: dict[str, float] | None = None
    difference: float | None = None
    timings: dict[Shape, Timing] = field(default_factory=dict)
    skipped: str | None = None
    fault: str | None = None
    notes: list[str] = field(default_factory=list)
    choices: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("memory", "timings")},
            "memory": asdict(self.memory) if self.memory else None,
            "timings": {str(shape): _as_json(timing, shape) for shape, timing in self.timings.items()},
        }


@dataclass(frozen=True)
class Bench:
    """What a bench found.

    Attributes:
        results: The reference first; those that could not be run among them.
        shapes: Of the batches that were timed.
        device: ``cpu`` or ``cuda``.
        threads: Of every runtime, on the CPU.
        task: The task's name; None where nothing was measured.
        rows: How many dev rows that is.
        primary: The measure that decides; higher is better.
        tolerance: How far it may be below the reference's.
        advice: What to use here, in one sentence.
        facts: What it was measured on and with.
        notes: What was guessed or found of the rows, a sentence each.
    """

    results: list[Result]
    shapes: list[Shape]
    device: str
    threads: int
    task: str | None
    rows: int
    primary: str | None
    tolerance: float
    advice: str
    facts: Mapping[str, Any]
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        plain = {name: value for name, value in vars(self).items() if name not in ("results", "shapes")}
        return {
            **plain,
            "shapes": [str(shape) for shape in self.shapes],
            "results": [result.as_json() for result in self.results],
        }


def _as_json(timing: Timing, shape: Shape) -> dict[str, Any]:
    """Milliseconds a batch, and the texts and tokens of such batches in a second."""
    return {
        "median_ms": 1e3 * timing.median,
        "low_quarter_ms": 1e3 * timing.low,
        "high_quarter_ms": 1e3 * timing.high,
        "turns": timing.turns,
        "texts_per_second": shape.rows / timing.median,
        "tokens_per_second": shape.rows * shape.tokens / timing.median,
    }
