"""Command lines from declared options: a command that takes options which others declare.

Typer stays: of tyro, jsonargparse, cyclopts and pydantic-settings each would read the same declarations, but
all commands would have to change, or two libraries to be loaded, for what is a page of code here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any

import typer

from deepcuts.common.options import Option


def with_options(
    function: Callable[..., None],
    panels: Mapping[str, Sequence[Option]],
    *,
    hidden: Collection[str] = (),
    undecided: Collection[str] = (),
) -> Callable[..., None]:
    """A function for typer that takes declared options beside its own parameters.

    Args:
        function: Its parameters must be annotated for typer, but for the last, ``**given``, which gets
            option's name → value; None, or an empty list, where an option is not given.
        panels: Heading of ``--help`` → the options under it.
        hidden: Names of options that are taken, but not shown by ``--help``.
        undecided: Names of options whose default is decided later; none is shown for them.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[:-1]
    made = [
        _parameter(option, panel, option.setting not in hidden, option.setting not in undecided)
        for panel, options in panels.items()
        for option in options
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*made, *own)]

    def command(**given: Any) -> None:
        function(**given)

    command.__doc__ = function.__doc__
    command.__name__ = function.__name__
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def named(arguments: Sequence[str], option: str) -> str | None:
    """The value of an option in a command line that has not been parsed yet; None if it isn't there."""
    flag = f"--{option}"
    for index, argument in enumerate(arguments):
        if argument == flag:
            return arguments[index + 1] if index + 1 < len(arguments) else None
        if argument.startswith(f"{flag}="):
            return argument.partition("=")[2]
    return None


def _parameter(option: Option, panel: str, is_shown: bool, shows_default: bool) -> inspect.Parameter:
    required = option.default is ...
    flag = f"--{option.setting.replace('_', '-')}"
    information = typer.Option(
        f"{flag}/--no-{flag[2:]}" if option.type is bool else flag,
        help=_help(option, shows_default and not required),
        rich_help_panel=panel,
        show_default=False,
        hidden=not is_shown,
    )
    hint: Any = option.type
    if option.count is None:
        hint = list[hint]
    elif option.count != 1:
        hint = tuple.__class_getitem__((hint,) * option.count)
    return inspect.Parameter(
        option.setting,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[hint if required else hint | None, information],
    )


def _help(option: Option, shows_default: bool) -> str:
    symbol = f"{option.symbol}: " if option.symbol and option.symbol not in option.help else ""
    default = _default(option) if shows_default else None
    return f"{symbol}{option.help}" + (f" (default: {default})" if default is not None else "")


def _default(option: Option) -> str | None:
    """An option's default as it is typed; None where nothing is set."""
    if option.default is None or option.default == ():
        return None
    if option.type is bool:
        return "yes" if option.default else "no"
    values = option.default if option.count != 1 else (option.default,)
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
