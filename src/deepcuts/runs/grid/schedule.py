"""Going through a worklist: which unit goes next, and what follows from how one ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Protocol

from deepcuts.common.store import is_finished
from deepcuts.runs.grid.records import CELL, Failure, forget_failure, write_failure, write_grid
from deepcuts.runs.grid.work import Outcome
from deepcuts.runs.grid.worklist import Unit, Worklist

#: How often a unit is tried whose worker dies, which is nothing that the unit itself can report.
TRIES = 3
_TAKEN_AGAIN = 5.0  # seconds until a cell that another grid works on is looked at again
_TICK = 0.5  # seconds between two looks of who watches


class Executor(Protocol):
    """Who does the units. Entered before the first is submitted, left after the last, or when interrupted."""

    @property
    def slots(self) -> int:
        """How many units it can do at the same time."""

    def submit(self, unit: Unit) -> Future[Outcome]:
        """Begin a unit; the future raises only if its worker died."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *exception: object) -> None: ...


class Progress:
    """How far a worklist is; what a table of cells shows.

    Attributes:
        worklist: The worklist.
        running: Keys of the units that are being done → when they were begun, in seconds of `now`.
        done: Keys of the units that are finished.
        failed: Keys of the units that failed, or need one that did.
        seconds: Kind of unit → wall time of those that were done.
    """

    def __init__(self, worklist: Worklist, slots: int) -> None:
        self.worklist = worklist
        self.slots = slots
        self.running: dict[str, float] = {}
        self.done: set[str] = set()
        self.failed: set[str] = set()
        self.seconds: dict[str, list[float]] = {}

    @staticmethod
    def now() -> float:
        """Seconds on the clock of `running`."""
        return time.monotonic()

    def seconds_left(self) -> float | None:
        """Expected time to the end; None while a kind of unit is left of which none has been done."""
        total = 0.0
        for unit in self.worklist.units:
            if unit.key in self.done or unit.key in self.failed:
                continue
            if unit.kind not in self.seconds:
                return None
            mean = sum(self.seconds[unit.kind]) / len(self.seconds[unit.kind])
            spent = self.now() - self.running[unit.key] if unit.key in self.running else 0.0
            total += max(0.0, mean - spent)
        return total / self.slots


def run_worklist(
    worklist: Worklist, executor: Executor, watch: Callable[[Progress], None] = lambda progress: None
) -> Progress:
    """Do all units of a worklist, each as soon as what it needs is there and somebody is free.

    A unit that fails takes with it the cells that need it; their failure is written into the store, and
    the rest goes on. After an interruption the same grid goes on where it stopped.

    Args:
        worklist: The worklist.
        executor: Who does the units.
        watch: Called whenever something has happened, and twice a second.
    """
    write_grid(
        worklist.store, worklist.name, [(k, c.model_dump(mode="json")) for k, c in worklist.cells.items()]
    )
    for unit in worklist.units:
        if unit.kind == CELL:
            forget_failure(worklist.store, unit.key)
    progress = Progress(worklist, executor.slots)
    pending = {unit.key: unit for unit in worklist.units}
    tries: dict[str, int] = {}
    not_before: dict[str, float] = {}
    running: dict[Future[Outcome], Unit] = {}

    def fail(unit: Unit, failure: Failure) -> None:
        progress.failed.add(unit.key)
        if unit.kind == CELL:
            write_failure(worklist.store, unit.key, failure)
        for other in list(pending.values()):
            if unit.key in other.needs and other.key in pending:  # not gone with one in between
                del pending[other.key]
                fail(other, failure)

    with executor:
        while pending or running:
            for unit in list(pending.values()):
                progress.slots = executor.slots
                if len(running) >= progress.slots:
                    break
                if unit.needs <= progress.done and not_before.get(unit.key, 0.0) <= progress.now():
                    del pending[unit.key]
                    if _is_done(worklist, unit):  # by another grid
                        progress.done.add(unit.key)
                        continue
                    progress.running[unit.key] = progress.now()
                    watch(progress)
                    running[executor.submit(unit)] = unit
            finished, _ = wait(running, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in finished:
                unit = running.pop(future)
                progress.running.pop(unit.key)
                outcome = _outcome(future)
                if outcome is None:
                    tries[unit.key] = tries.get(unit.key, 0) + 1
                    if tries[unit.key] < TRIES:
                        pending = {unit.key: unit, **pending}
                    else:
                        fail(unit, Failure(f"its worker died {TRIES} times; was there enough memory?", ""))
                elif outcome.is_taken:
                    not_before[unit.key] = progress.now() + _TAKEN_AGAIN
                    pending[unit.key] = unit
                elif outcome.failure is not None:
                    where = "" if unit.kind == CELL else f"{unit.title}: "
                    fail(unit, replace(outcome.failure, error=f"{where}{outcome.failure.error}"))
                else:
                    progress.done.add(unit.key)
                    progress.seconds.setdefault(unit.kind, []).append(outcome.seconds)
            if not running and not finished:
                time.sleep(_TICK)  # all that is left is being done by another grid
            watch(progress)
    return progress


def _outcome(future: Future[Outcome]) -> Outcome | None:
    """How a unit ended; None if its worker died."""
    try:
        return future.result()
    except Exception:
        return None


def _is_done(worklist: Worklist, unit: Unit) -> bool:
    return all(is_finished(worklist.store, unit.kind, key) for key in unit.makes)
