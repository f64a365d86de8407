"""Commands in processes of their own that are told to end, or killed, at any moment."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deepcuts.__main__ import main
from deepcuts.common import interruption

SIGNALS = {"SIGKILL": (-signal.SIGKILL,), "SIGINT": (130,), "SIGTERM": (143,)}


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: Its status; of one that a signal ended at once, that signal's number, negative.
        said: What it wrote.
        seconds: How long it took.
    """

    status: int
    said: str
    seconds: float


class Started:
    """A command in a process that this one makes of itself, so that it need not import everything again.

    It leads a group of its own, in which its workers are.

    Args:
        arguments: What stands after ``deepcuts``.
        log: The file that it writes to.
    """

    def __init__(self, arguments: Iterable[str], log: Path) -> None:
        self.log = log
        self._began = time.monotonic()
        # It looks after signals before one can reach it: as a program of its own, for whose start no one can.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        self.process = os.fork()
        if not self.process:
            _run([*arguments], log)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by itself within so many seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            time.sleep(0.002)
        return False

    def workers(self) -> list[int]:
        """Processes that it has started and that compute, by number."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
                command = (path.parent / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == self.process and b"resource_tracker" not in command:
                found.append(int(path.parent.name))
        return found

    def end(self) -> Ended:
        """Wait for its end, and for that of its workers."""
        _, status = os.waitpid(self.process, 0)
        seconds = time.monotonic() - self._began
        return Ended(os.waitstatus_to_exitcode(status), self.log.read_text(errors="replace"), seconds)

    def send(self, victims: Iterable[int], number: int) -> None:
        """Send a signal to some of its processes."""
        for victim in victims:
            try:
                os.kill(victim, number)
            except ProcessLookupError:
                continue


def to_the_end(arguments: Iterable[str], log: Path) -> Ended:
    """Run a command undisturbed."""
    return Started(arguments, log).end()


def disturbed(arguments: list[str], log: Path, name: str, seconds: float, chance: random.Random) -> Ended:
    """Run a command, and send it a signal after a random part of the time that it takes.

    Args:
        arguments: The command.
        log: What it writes.
        name: Of the signal. SIGKILL goes to the command, to one of its workers, or to all.
        seconds: How long the command takes at most.
        chance: Decides when, and whom.
    """
    started = Started(arguments, log)
    if not started.wait(chance.uniform(0, seconds)):
        workers, everybody = started.workers(), [started.process]
        if name == "SIGKILL" and workers:
            everybody = chance.choice(
                [[started.process], [chance.choice(workers)], [started.process, *workers]]
            )
        started.send(everybody, getattr(signal, name))
        if name != "SIGKILL" and chance.random() < 0.3:
            started.send(everybody, getattr(signal, name))  # an impatient user's second one
    return started.end()


def _run(arguments: list[str], log: Path) -> None:
    """Be the command, in a process that was forked; never returns."""
    status = 70
    try:
        os.setsid()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.argv = ["deepcuts", *arguments]
        signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
        interruption.install()
        interruption._state.update(begun=0, received=0)  # as in a process of its own
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
