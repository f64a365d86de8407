"""Times of several things, taken in turns: the one way in which this package compares speeds.

``torch.utils.benchmark`` was looked at. It times one statement in blocks, one statement after the other, so
that a machine that slows down in between slows only some of them; it has no turns. Calling it for a single
run within a turn would add the compilation of a statement to what takes microseconds, and leave the loop
here. So only its idea of waiting for the device is taken over.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Seconds of each turn, of each thing.
Times = dict[str, list[float]]


def clock() -> float:
    """Now, in seconds, once the device has done all that it was given."""
    torch: Any = sys.modules.get("torch")  # without it there is no device to wait for
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def in_turns(
    things: Mapping[str, Callable[[], object]],
    turns: int,
    *,
    warm_up: int = 1,
    settle: int = 1,
    clock: Callable[[], float] = clock,
    advance: Callable[[], None] = lambda: None,
    enough: Callable[[Times], bool] = lambda times: False,
) -> Times:
    """Time several things in turns, so that whatever disturbs the machine disturbs all of them.

    In each turn each is done a few times and the last time counts: those before bring its data back into the
    caches that the others filled, and give the others' threads the time to fall asleep. The order is drawn
    anew for each turn, the same in every call, so that nothing always comes after the same other thing.

    Args:
        things: Name → what is done.
        turns: How often each is measured at most.
        warm_up: How often each is done before the first turn.
        settle: How often each is done within a turn before the time that counts; 0 for things that take so
            long that it makes no difference.
        clock: Says the time, in seconds.
        advance: Called after each turn.
        enough: Asked after each turn whether what was measured will do.

    Returns:
        Seconds, in the order of the turns.
    """
    times: Times = {name: [] for name in things}
    order, draw = list(things), random.Random(0)
    for _ in range(warm_up):
        for do in things.values():
            do()
    for _ in range(turns):
        draw.shuffle(order)
        for name in order:
            do = things[name]
            for _ in range(settle):
                do()
            started = clock()
            do()
            times[name].append(clock() - started)
        advance()
        if enough(times):
            break
    return times


@dataclass(frozen=True)
class Timing:
    """Seconds of one thing.

    Attributes:
        median: Of all turns.
        low: The first quarter of the sorted times ends here.
        high: The last quarter begins here.
        turns: How many there were.
    """

    median: float
    low: float
    high: float
    turns: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """From the times of all turns, two or more."""
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(median, low, high, len(seconds))

    def clearly_below(self, other: Timing) -> bool:
        """Whether the middle halves of the times of both do not even touch, and these are the shorter."""
        return self.high < other.low


class Fastest:
    """The least time of each thing, over as many turns as it takes for these to settle.

    What disturbs a machine only ever adds time, so the least of enough times comes nearer to the truth than
    their median, which moves with the load. Used as `enough` of `in_turns`.

    Args:
        patience: So many turns in a row must pass in which no least time falls.
        share: A fall by less than this share of it is none.
    """

    def __init__(self, patience: int = 15, share: float = 0.01) -> None:
        self._patience = patience
        self._share = share
        self._best: dict[str, float] = {}
        self._quiet = 0

    def __call__(self, times: Times) -> bool:
        """Whether the least times have settled, after one more turn."""
        fell = False
        for name, seconds in times.items():
            best = self._best.get(name)
            if best is None or seconds[-1] < best * (1 - self._share):
                fell = True
                self._best[name] = seconds[-1]
        self._quiet = 0 if fell else self._quiet + 1
        return self._quiet >= self._patience
