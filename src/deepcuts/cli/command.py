"""What holds for every subcommand's arguments: they are text, not empty, and used or refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from deepcuts.common.errors import InputError

#: The greatest whole number that an option may be.
MOST = 2**31 - 1

_given: ContextVar[Mapping[str, Any]] = ContextVar("given")
_spelling: ContextVar[Mapping[str, str]] = ContextVar("spelling")


class Command(TyperCommand):
    """A subcommand that knows which of its options were given, and refuses empty ones."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read its arguments.

        Raises:
            InputError: A whole number is larger than any that could be meant.
            InputError: An option, or a path, is empty: a path would be the current folder, and a name none.
        """
        has_empty = any(one == "" or (one.startswith("-") and one.endswith("=")) for one in args)
        left = list(super().parse_args(ctx, args))
        given = {}
        for parameter in self.params:
            source = ctx.get_parameter_source(parameter.name)
            if source is not None and source.name == "COMMANDLINE":
                given[str(parameter.name)] = ctx.params.get(parameter.name)
        _given.set(given)
        _spelling.set({str(parameter.name): _spelled(parameter) for parameter in self.params})
        for parameter in self.params:
            number = given.get(str(parameter.name))
            # More overflows in what reads it; a seed has a limit of its own.
            if isinstance(number, int) and abs(number) > MOST and parameter.name != "seed":
                raise InputError(_spelled(parameter), number, f"it must be {MOST:,} at most")
        if has_empty:
            # Options first: several arguments of one kind may be texts, and a text may be empty.
            for parameter in sorted(self.params, key=lambda one: one.param_type_name == "argument"):
                value = given.get(str(parameter.name))
                is_one = not isinstance(value, tuple | list)
                values: Any = [value] if is_one else value
                may_be_empty = parameter.param_type_name == "argument" and not is_one and "" in values
                # Typer may have made a path of it by now.
                if not may_be_empty and any(one in ("", Path()) for one in values):
                    raise InputError(_spelled(parameter), "", "it must not be empty")
        return left


def options_given() -> Mapping[str, Any]:
    """The parameters of the running subcommand that stand on its command line, by their names in Python."""
    return _given.get({})


def refuse_given(names: Collection[str], why: str) -> None:
    """Refuse options that would change nothing.

    Args:
        names: Names of parameters.
        why: Why nothing reads them, and when something would, as a phrase.

    Raises:
        InputError: One of them was given.
    """
    for name, value in options_given().items():
        if name in names:
            shown = str(value) if isinstance(value, Path) else value
            raise InputError(_spelling.get({}).get(name, name), shown, why)


def check_text(arguments: Sequence[str]) -> None:
    """Refuse a command line that is no text.

    Raises:
        InputError: An argument's bytes are not of the encoding of this system.
    """
    for number, argument in enumerate(arguments, 1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InputError(f"argument {number}", argument, "it must be valid UTF-8 text") from None


def _spelled(parameter: Any) -> str:
    longest = max(parameter.opts, key=len) if parameter.opts else parameter.name
    return str(longest).lstrip("-").replace("-", "_")
