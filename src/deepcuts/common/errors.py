"""The errors this package raises on purpose; the command line prints them without a traceback."""

from __future__ import annotations

import errno
import os
import re


class DeepcutsError(Exception):
    """Base of every error raised on purpose.

    Attributes:
        exit_status: What the command line exits with when this error ends it: 2 for input that can't
            be used, 1 for work that failed although its input was fine.
    """

    exit_status = 2


class InputError(DeepcutsError, ValueError):
    """An argument has a value that is not allowed.

    Args:
        argument: The argument's name as the caller spells it.
        value: What was given.
        allowed: What would have been accepted, as a phrase.
    """

    def __init__(self, argument: str, value: object, allowed: str) -> None:
        super().__init__(f"{argument}: got {_shown(value)}, but {allowed}")
        self.argument = argument
        self.value = value
        self.allowed = allowed


class DataError(DeepcutsError):
    """Task data is missing, unreadable, or holds something the task does not allow."""


class FileFormatError(DeepcutsError):
    """A mask or score file is truncated, altered, or not of a format this version reads."""


class MismatchError(DeepcutsError):
    """Masks or scores belong to another model: names or shapes differ."""


class ModelError(DeepcutsError):
    """A model can't be found, loaded, or used for what was asked."""


class RunFolderError(DeepcutsError):
    """A run folder exists already and holds something else than what was asked for."""


class StageTakenError(DeepcutsError):
    """Another run works on a stage of a store."""

    exit_status = 1


class ScoringError(DeepcutsError):
    """Scores can't be computed, or came out not finite."""


class InvariantError(DeepcutsError):
    """Something that must hold by construction was checked and did not hold."""

    exit_status = 1


class StorageError(DeepcutsError, OSError):
    """The operating system would not do what was asked for, such as to write to a full disk."""

    exit_status = 1


class DivergedError(DeepcutsError):
    """The training loss became NaN or infinite."""

    exit_status = 1


def _shown(value: object) -> str:
    """A value as a message shows it: what is long, or can't be spelled, in part."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of more than 4,300 digits
        return f"a value of type {type(value).__name__}"
    return (
        text
        if len(text) <= _LONGEST
        else f"{text[: _LONGEST // 2]} … {text[-20:]} ({len(text):,} characters)"
    )


_LONGEST = 1000


def brief(error: BaseException) -> str:
    """Say an exception's reason in one line of at most 200 characters."""
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return (reason.strip().splitlines() or [type(error).__name__])[0][:200]


#: How what is written in Rust (safetensors, tokenizers) and pyarrow spell an error of the operating system.
_OS_ERROR = re.compile(r"\(os error (\d+)\)|Detail: \[errno (\d+)\]")
#: What torch says instead of it, and does not say why.
_UNWRITTEN = ("PytorchStreamWriter failed", "inline_container.cc", "basic_ios::clear", "iostream error")
#: What is wrong with a path that was given, rather than with the disk.
_PLACES = frozenset(
    (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENOENT, errno.EACCES, errno.EROFS)
)
_NO_MEMORY = ("can't allocate memory", "not enough memory")


def refusal(error: BaseException, path: object = None) -> StorageError | None:
    """What the operating system refused, if an exception says that, whichever library raised it.

    Args:
        error: The exception.
        path: What was being written, where the exception may not know it.

    Returns:
        An error of ours that names the path; None for an exception that says something else.
    """
    if isinstance(error, StorageError):
        return error
    where = path if path is not None else getattr(error, "filename", None)
    reason = _reason(error)
    if reason is None:
        return None
    shown = str(where)
    if len(shown) > 300:  # a path that is too long for the system is too long for a message
        shown = f"{shown[:200]}…{shown[-50:]}"
    found = StorageError(reason if where is None else f"{shown}: {reason}")
    if path is None and isinstance(error, OSError) and error.errno in _PLACES:
        found.exit_status = InputError.exit_status
    return found


def _reason(error: BaseException) -> str | None:
    text = str(error)
    if (found := _OS_ERROR.search(text)) is not None:
        return os.strerror(int(found.group(1) or found.group(2)))
    if isinstance(error, OSError):
        return brief(error)
    if isinstance(error, RuntimeError) and any(sign in text for sign in _UNWRITTEN):
        return "it could not be written to its end; is the disk full?"
    if isinstance(error, MemoryError) or any(sign in text for sign in _NO_MEMORY):
        return "there is not enough memory"
    return None
