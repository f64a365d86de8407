"""Command lines that should not be, made from what every command declares, at random under a seed."""

from __future__ import annotations

import inspect
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from commands import deepcuts
from crafted import a_file_of_each
from grids import run_inline, write_grid_file
from runs import config
from typer.models import ArgumentInfo

from deepcuts.cli import _SUBCOMMANDS

_NUMBERS = [
    "-1",
    "0",
    "1e9",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "x",
    "",
    "1.5",
    "0x10",
    "٣",
    "1_000",
    "9" * 400,
    "1,5",
    " 1",
]
_TEXTS = [
    "",
    "x",
    "-",
    "--",
    "'",
    "[/b]",
    "[red]",
    "=1+1",
    "@x",
    "%s",
    "{}",
    "\n",
    "\t",
    "é" * 300,
    "a" * 5000,
    "../..",
    "~",
]
_PATHS = [
    "",
    "nowhere",
    "/",
    "/dev/null",
    "/dev/full",
    "x" * 300,
    "/".join("x" * 60),
    "empty",
    "text",
    "folder",
]
_PATHS += [
    "broken.json",
    "broken.csv",
    "folder/text",
    "text/below",
    "link",
    "circle",
    "masks",
    "scores",
    "packed",
]
_PATHS += [
    "sparse",
    "run/model",
    "[v2].csv",
    "a\nb",
    "\u202e",
    "~nobody/x",
    "file:///etc/passwd",
    "s3://x/y",
    "C:\\x",
]
#: Options by name that a command needs to get anywhere, and values that are right.
_DATA = ["--train", "train.csv", "--dev", "dev.csv", "--text", "text", "--label", "target"]
_RIGHT: dict[str, list[str]] = {
    "prune": [
        *_DATA,
        "--model",
        "run/model",
        "--strategy",
        "Random",
        "--density",
        "0.3",
        "-o",
        "new",
        "--dry-run",
    ],
    "evaluate": ["run/model", *_DATA],
    "predict": ["run", "the dog is here"],
    "inspect": ["run"],
    "grid": ["tiny.yaml", "--store", "store", "--dry-run"],
    "compare": ["run/masks.safetensors", "other"],
    "report": ["store", "-o", "new"],
    "export": ["run", "-o", "new"],
    "bench": ["run", "--no-memory", "--turns", "3", "--shape", "1x4", "--only", "dense-fp32"],
    "strategies": [],
}


@dataclass(frozen=True)
class Bad:
    """A command line with something wrong in it.

    Attributes:
        arguments: What stands after ``deepcuts``.
        changed: The options that were given a value of these here, and the value.
        given: Standard input.
    """

    arguments: tuple[str, ...]
    changed: Mapping[str, str]
    given: str = ""


def ground(folder: Path, *, finished: bool = False) -> Path:
    """A folder with files of every format, a task, a grid, and files of all sorts that are none of these.

    Args:
        folder: The folder.
        finished: Whether the grid has been run.
    """
    a_file_of_each(folder)
    config(folder)
    grid = write_grid_file(folder)
    (folder / "store").mkdir()
    if finished:
        run_inline(grid, folder / "store")
    (folder / "folder").mkdir()
    (folder / "empty").touch()
    shutil.copy(folder / "run" / "masks.safetensors", folder / "other")
    (folder / "text").write_text("hello\n")
    (folder / "folder" / "text").write_text("hello\n")
    (folder / "broken.json").write_text('{"a": [NaN, ')
    (folder / "broken.csv").write_bytes(b'a,b\n"\xff\x00\n1,2,3\n')
    (folder / "link").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    return folder


@dataclass(frozen=True)
class Declared:
    """What a command takes.

    Attributes:
        name: As it is spelled: ``--max-length``, or that of an argument.
        kind: Its type in words, such as ``"int | None"``.
    """

    name: str
    kind: str


def declared(command: str) -> list[Declared]:
    """Everything that a command takes."""
    module = _SUBCOMMANDS[command]
    function = module.complete([]) if hasattr(module, "complete") else getattr(module, command)
    found = []
    for one in inspect.signature(function, eval_str=True).parameters.values():
        kind, info = get_args(one.annotation)[:2]
        dashed = "--" + one.name.replace("_", "-")
        names = [name for name in info.param_decls or [] if name.startswith("--")] or [dashed]
        name = one.name if isinstance(info, ArgumentInfo) else names[0].split("/")[0]
        if name != "--trust-remote-code":
            found.append(Declared(name, str(kind)))
    return found


def bad_inputs(seed: int) -> Iterator[Bad]:
    """Without end; the same for the same seed."""
    chance = random.Random(seed)
    while True:
        command = chance.choice(sorted(_RIGHT))
        taken = declared(command)
        arguments = list(_RIGHT[command])
        changed: dict[str, str] = {}
        for one in chance.sample(taken, min(len(taken), chance.choice([1, 1, 1, 2, 3]))):
            if not one.name.startswith("-"):
                changed[one.name] = arguments[0] = chance.choice(_PATHS + _TEXTS)
            elif "bool" in one.kind:
                arguments += [one.name]
                changed[one.name] = ""
            else:
                changed[one.name] = value = chance.choice(_values(one.kind))
                arguments += [one.name, value]
        if chance.random() < 0.1:
            arguments.insert(chance.randrange(len(arguments) + 1), chance.choice(_TEXTS))
        if chance.random() < 0.05:
            arguments = arguments[: chance.randrange(len(arguments) + 1)]
        given = chance.choice(["", "a\tb\n", "\0\n", "\udcff", "x" * 10000, "\n" * 50])
        yield Bad((command, *arguments), changed, given)


def _values(kind: str) -> list[str]:
    if "int" in kind or "float" in kind:
        return _NUMBERS
    return _PATHS + _TEXTS + ([] if "Path" in kind else _NUMBERS)


def outcome(bad: Bad, folder: Path) -> tuple[int, str]:
    """Run a command in a folder: its status and what it said.

    Raises:
        AssertionError: It changed what was there, left something half-written, or said not a word of it.
    """
    before = _listed(folder)
    done = deepcuts(*bad.arguments, given=bad.given)
    after = _listed(folder)
    new = after.keys() - before.keys()
    assert before == {name: after.get(name) for name in before}, "something was changed that was there"
    assert not [name for name in new if ".tmp" in name], "something was left half-written"
    assert done.returncode in (0, 1, 2), f"status {done.returncode}"
    assert "Traceback" not in done.stderr + done.stdout, "a traceback"
    assert done.returncode == 0 or done.stderr.strip(), "not a word of what is wrong"
    for name in sorted(new, key=len, reverse=True):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    return done.returncode, done.stderr


def _listed(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
