"""The command ``deepcuts``: one file per subcommand; nothing heavy is imported before one is chosen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from deepcuts.cli import (
    bench,
    compare,
    demo,
    evaluate,
    export,
    grid,
    inspect,
    predict,
    prune,
    report,
    strategies,
)
from deepcuts.cli.command import Command, check_text
from deepcuts.common import interruption
from deepcuts.common.errors import DeepcutsError, refusal
from deepcuts.common.shown import printable


class _Group(TyperGroup):
    """Makes a subcommand once it is called, with the options that others declare.

    Not before: ``deepcuts --help`` needs nothing of what declares them, and no command those of another.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        check_text(args)
        return list(super().parse_args(ctx, args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:  # while a shell completes a word
            return name, command, rest
        module = _SUBCOMMANDS[name]
        function = module.complete(rest) if hasattr(module, "complete") else getattr(module, name)
        whole = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        whole.command(name, cls=Command, context_settings=_SETTINGS)(function)
        command = get_command(whole)
        return name, command, rest


_SETTINGS = {"help_option_names": ["-h", "--help"]}
#: In the order in which help shows them. Each file holds a function of its own name, or says by ``complete``
#: what that function is, given the rest of the command line.
_SUBCOMMANDS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        prune,
        evaluate,
        predict,
        inspect,
        grid,
        compare,
        report,
        export,
        bench,
        strategies,
        demo,
    )
}


def _listed(function: Callable[..., None]) -> Callable[[], None]:
    """What stands for a subcommand until it is called: its name and what it says of itself."""

    def stand_in() -> None: ...

    stand_in.__doc__ = function.__doc__
    return stand_in


app = typer.Typer(
    name="deepcuts",
    cls=_Group,
    help="Prune fine-tuned encoders of the BERT family in a single shot, and report honestly what was lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)
for _name, _module in _SUBCOMMANDS.items():
    app.command(_name)(_listed(getattr(_module, _name)))


def _add_plugins(modules: list[str]) -> list[str]:
    """Load them while the command line is read: a subcommand's options may be theirs."""
    if modules:
        from deepcuts.common import plugins

        plugins.add(modules)
        plugins.load()
    return modules


@app.callback(invoke_without_command=True)
def _before(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
    plugin: list[str] = typer.Option(
        [],
        metavar="MODULE",
        help="A module, or a Python file, that adds choices of your own (criteria, tasks, …); may be "
        "repeated; stands before the subcommand.",
        show_default=False,
        callback=_add_plugins,
    ),
) -> None:
    if version:
        from deepcuts.common.version import __version__

        typer.echo(f"deepcuts {__version__}")
        raise typer.Exit


def _open_streams() -> None:
    """Let closed streams be empty ones: Python has None in their place, and libraries write to them."""
    for name, mode in {"stdin": "r", "stdout": "w", "stderr": "w"}.items():
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 it stays open


def main() -> None:
    """Run the command; what goes wrong on purpose is one message on standard error, not a traceback."""
    interruption.begin()
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows its number
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # or the interpreter's own end would find out that it can't be written
    except BaseException as error:
        if status := interruption.received():  # whatever it was turned into on its way, by libraries too
            interruption.end(status)
        if isinstance(error, SystemExit):
            if error.code == interruption.INTERRUPTED:  # typer has turned the KeyboardInterrupt into this
                interruption.end(interruption.INTERRUPTED)
            raise
        said = error if isinstance(error, DeepcutsError) else refusal(error)
        if said is None:
            raise
        typer.echo(printable(f"deepcuts: {said}"), err=True)
        if said is not error:
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 what the old one holds is lost
        sys.exit(said.exit_status)
