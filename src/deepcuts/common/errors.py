"""The errors this package raises on purpose; the command line prints them without a traceback."""

from __future__ import annotations


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
        super().__init__(f"{argument}: got {value!r}, but {allowed}")
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


class DivergedError(DeepcutsError):
    """The training loss became NaN or infinite."""

    exit_status = 1


def brief(error: BaseException) -> str:
    """Say an exception's reason in one line of at most 200 characters."""
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return (reason.strip().splitlines() or [type(error).__name__])[0][:200]
