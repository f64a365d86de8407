"""Ratios of wall times, measured in turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from deepcuts.common import timing
from deepcuts.common.timing import clock

_Batch = TypeVar("_Batch")


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

    def divided(self, by: int) -> Timed:
        """The same for one of so many equal parts of the thing."""
        return replace(
            self,
            seconds=self.seconds / by,
            ratio=self.ratio / by,
            low=self.low / by,
            high=self.high / by,
        )

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.low:.2f}–{self.high:.2f})"


def in_turns(things: Mapping[str, Callable[[], object]], turns: int, warm_up: int = 1) -> dict[str, Timed]:
    """Time several things in turns; the first is what the others are compared with.

    Args:
        things: Name → what is done.
        turns: How often each is measured.
        warm_up: How often each is done before that; 0 for things that take so long that the first time is
            like any other.
    """
    times = timing.in_turns(things, turns, warm_up=warm_up, settle=0)
    base = next(iter(times.values()))
    return {name: Timed.of(own, base) for name, own in times.items()}


class Beside:
    """Batches for a sweep, between which something else is done with the same batch, and timed beside it.

    What a sweep costs once, whatever the number of its batches, is not in it.

    Args:
        batches: The batches; the first is not measured.
        other: What is compared with a batch of the sweep.

    Attributes:
        first: Seconds of the first batch, once it is done.
    """

    def __init__(self, batches: Sequence[_Batch], other: Callable[[_Batch], object]) -> None:
        self._batches = batches
        self._other = other
        self._times: list[float] = []
        self._base: list[float] = []
        self.first = math.nan

    def __iter__(self) -> Iterator[_Batch]:
        for turn, batch in enumerate(self._batches):
            started = clock()
            yield batch
            own = clock() - started
            started = clock()
            self._other(batch)
            base = clock() - started
            if turn:
                self._times.append(own)
                self._base.append(base)
            else:
                self.first = own

    def timed(self) -> Timed:
        """The sweep's batches beside the other thing, once the sweep is over."""
        return Timed.of(self._times, self._base)
