"""Ratios of wall times, measured in turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Timed:
    """Wall times of one thing beside those of what it is compared with.

    Attributes:
        seconds: Median of its times.
        ratio: Median of its time / the other's, turn by turn.
        low: The least of these ratios.
        high: The greatest.
        turns: How many.
    """

    seconds: float
    ratio: float
    low: float
    high: float
    turns: int

    @classmethod
    def of(cls, times: list[float], base: list[float]) -> Timed:
        """From the times of all turns, in the units of seconds."""
        ratios = [mine / other for mine, other in zip(times, base, strict=True)]
        return cls(statistics.median(times), statistics.median(ratios), min(ratios), max(ratios), len(ratios))

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.low:.2f}–{self.high:.2f})"


def clock() -> float:
    """Now, in seconds, once the device has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def in_turns(things: Mapping[str, Callable[[], object]], turns: int) -> dict[str, Timed]:
    """Time several things in turns; the first is what the others are compared with.

    Args:
        things: Name → what is done; each is done once unmeasured before.
        turns: How often each is measured.
    """
    times: dict[str, list[float]] = {name: [] for name in things}
    for turn in range(turns + 1):
        for name, do in things.items():
            started = clock()
            do()
            if turn:
                times[name].append(clock() - started)
    base = next(iter(times.values()))
    return {name: Timed.of(own, base) for name, own in times.items()}


class Beside:
    """Batches for a sweep, between which something else is timed: each batch of the sweep beside it.

    What a sweep costs once, whatever the number of its batches, is not in it.

    Args:
        batch: The batch, given again and again.
        other: What is compared with a batch of the sweep.
        turns: How many batches are measured; one more goes before them.
    """

    def __init__(self, batch: Any, other: Callable[[], object], turns: int) -> None:
        self._batch = batch
        self._other = other
        self._turns = turns
        self._times: list[float] = []
        self._base: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        for turn in range(self._turns + 1):
            started = clock()
            yield self._batch
            own = clock() - started
            started = clock()
            self._other()
            base = clock() - started
            if turn:
                self._times.append(own)
                self._base.append(base)

    def timed(self) -> Timed:
        """The sweep's batches beside the other thing, once the sweep is over."""
        return Timed.of(self._times, self._base)
