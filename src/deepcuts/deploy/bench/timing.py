"""Times of several ways to run a model, taken in turns."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcuts.common.errors import InputError

#: Fewer turns than this have no spread worth the name.
FEWEST_TURNS = 3


@dataclass(frozen=True, order=True)
class Shape:
    """Of a batch without padding.

    Attributes:
        rows: Texts, 1 or more.
        tokens: Tokens of each, 1 or more.
    """

    rows: int
    tokens: int

    @classmethod
    def parse(cls, text: str) -> Shape:
        """From ``ROWSxTOKENS``, such as ``16x128``.

        Raises:
            InputError: It is something else.
        """
        parts = text.lower().split("x")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
            raise InputError("shape", text, "it must be ROWSxTOKENS, such as 16x128, both 1 or more")
        return cls(int(parts[0]), int(parts[1]))

    def __str__(self) -> str:
        return f"{self.rows}x{self.tokens}"


@dataclass(frozen=True)
class Timing:
    """Seconds of one batch.

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

    def as_json(self, shape: Shape) -> dict[str, Any]:
        """Milliseconds a batch, and the texts and tokens of such batches in a second."""
        return {
            "median_ms": 1e3 * self.median,
            "low_quarter_ms": 1e3 * self.low,
            "high_quarter_ms": 1e3 * self.high,
            "turns": self.turns,
            "texts_per_second": shape.rows / self.median,
            "tokens_per_second": shape.rows * shape.tokens / self.median,
        }


def in_turns(
    runs: Mapping[str, Callable[[], object]],
    turns: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Timing]:
    """Time several things in turns, so that whatever disturbs the machine disturbs all of them.

    In each turn each is done twice, and the second time counts: the first brings its weights back into the
    caches that the others filled, and gives the others' threads the time to fall asleep. The order is drawn
    anew for each turn, the same in every call, so that nothing always comes after the same other thing.

    Args:
        runs: Name → what is done; each is done once unmeasured before.
        turns: How often each is measured.
        clock: Says the time, in seconds.
        advance: Called after each turn.

    Raises:
        InputError: There are too few turns.
    """
    check_turns(turns)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    order, draw = list(runs), random.Random(0)
    for run in runs.values():
        run()
    for _ in range(turns):
        draw.shuffle(order)
        for name in order:
            runs[name]()
            started = clock()
            runs[name]()
            seconds[name].append(clock() - started)
        advance()
    return {name: Timing.of(found) for name, found in seconds.items()}


def check_turns(turns: int) -> None:
    """Refuse too few turns.

    Raises:
        InputError: There are.
    """
    if turns < FEWEST_TURNS:
        raise InputError("turns", turns, f"it must be {FEWEST_TURNS} or more")
