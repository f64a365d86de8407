"""What becomes of a command that is told to end: one line, no traceback, and the status that shells expect.

Ctrl-C (SIGINT) and SIGTERM both raise KeyboardInterrupt where the work is, so that what is open is closed; a
second one ends the process at once. Nothing is lost by either: files appear complete or not at all.

This is imported before anything else, and so imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
    from typing import Any, NoReturn
else:
    import _signal as signal  # without the enums of the module signal, which take longer than all of this

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
#: Commands that go on where they stopped.
RESUMED = ("prune", "grid", "demo")

_state = {"begun": 0, "received": 0}


def install() -> None:
    """Take over SIGINT and SIGTERM in this process; one that is ignored, as by nohup, stays so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _receive)
    sys.unraisablehook = _unraisable


def begin() -> None:
    """From here on there may be something to close; until now a signal ended the process at once."""
    _state["begun"] = 1


def received() -> int:
    """The status that a signal asks for: 130, 143, or 0 where none came."""
    return 128 + _state["received"] if _state["received"] else 0


def end(status: int) -> NoReturn:
    """Say what is kept, and end with a status, 130 or 143."""
    _say(status)
    if _state["received"]:
        # Not by way of the interpreter's end: threads and libraries in the middle of things would have words.
        for stream in (sys.stdout, sys.stderr):
            try:  # noqa: SIM105
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(status)
    sys.exit(status)


def _receive(number: int, frame: FrameType | None) -> None:
    if not _state["begun"] or _state["received"]:
        _say(128 + number)
        os._exit(128 + number)
    _state["received"] = number
    raise KeyboardInterrupt


def _unraisable(unraisable: Any) -> None:
    """A KeyboardInterrupt where nothing can be raised, such as in a finalizer, ends the process too."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt) and received():
        end(received())
    sys.__unraisablehook__(unraisable)


def _say(status: int) -> None:
    """One line on standard error, by the first process of a launch alone."""
    if os.environ.get("RANK", "0") != "0":
        return
    how = "interrupted" if status == INTERRUPTED else "ended by SIGTERM"
    if any(argument in RESUMED for argument in sys.argv[1:]):
        kept = "what is finished is kept; the same command goes on where it stopped"
    else:
        kept = "no file is half-written"
    try:  # noqa: SIM105 contextlib takes long as well
        os.write(2, f"deepcuts: {how}; {kept}\n".encode())
    except OSError:
        pass
