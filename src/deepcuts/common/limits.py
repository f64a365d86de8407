"""How many threads and processes may be asked for: where a system has no more, a command ends at once."""

from __future__ import annotations

from deepcuts.common.errors import InputError

MOST = 1024


def check_processes(name: str, count: int) -> None:
    """Refuse a number of threads or processes that no machine here has.

    Args:
        name: What they are called on the command line.
        count: How many are asked for.

    Raises:
        InputError: It is less than 1, or more than `MOST`.
    """
    if not 1 <= count <= MOST:
        raise InputError(name, count, f"it must be 1 or more, and {MOST:,} at most")
