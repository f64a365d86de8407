"""What a way to run a model is, and the one list of all ways.

Importing this is cheap, and each way imports what it needs and nothing else, so that a process that loads one
shows the memory that this one takes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.deploy.bench.forms import Form

#: The tokenizer's tensors, each ``(rows, tokens)``, int64.
Batch = Mapping[str, "np.ndarray[Any, Any]"]

#: What all others are compared with.
REFERENCE = "dense-fp32"


@dataclass(frozen=True)
class Runner:
    """A loaded model: a batch in, logits out, ``(rows, outputs)``, float32, on the CPU.

    Attributes:
        compute: Does it.
        notes: What there is to say of the loaded model, each without a full stop.
        choices: What was decided by speed when it was loaded, JSON-able; None if nothing was.
    """

    compute: Callable[[Batch], np.ndarray[Any, Any]]
    notes: tuple[str, ...] = ()
    choices: Mapping[str, Any] | None = None

    def __call__(self, batch: Batch) -> np.ndarray[Any, Any]:
        """The logits of a batch."""
        return self.compute(batch)


@dataclass(frozen=True)
class Setting:
    """How a model is loaded.

    Attributes:
        device: ``cpu`` or ``cuda``.
        threads: Of every runtime, on the CPU.
        trust_remote_code: Whether code that comes with the model may run.
    """

    device: str
    threads: int
    trust_remote_code: bool = False


@dataclass(frozen=True)
class Way:
    """One way to run a model.

    Attributes:
        name: As ``--only`` takes it.
        title: As tables and sentences say it.
        form: The files that it loads.
        load: From the folder with that form.
        devices: Where it runs.
        sparse: Whether the zeros are left out.
        libraries: Modules that it imports, whatever the model.
        missing: Says why it can't run on this machine; None if it can.
    """

    name: str
    title: str
    form: Form
    load: Callable[[Path, Setting], Runner]
    devices: tuple[str, ...] = ("cpu",)
    sparse: bool = False
    libraries: tuple[str, ...] = ()
    missing: Callable[[], str | None] = lambda: None


REGISTRY: dict[str, Way] = {}


def register_way(way: Way) -> Way:
    """Let ``bench`` run a model in one more way.

    Raises:
        ValueError: The name is taken.
    """
    if way.name in REGISTRY:
        raise ValueError(f"a way to run a model named {way.name!r} is registered already")
    REGISTRY[way.name] = way
    return way


def all_ways() -> dict[str, Way]:
    """Name → way, those of plugins too; the reference is the first."""
    plugins.load()
    return {REFERENCE: REGISTRY[REFERENCE], **REGISTRY}


def way_named(name: str) -> Way:
    """A way by its name; plugins are only asked for names that are not this package's."""
    return REGISTRY[name] if name in REGISTRY else all_ways()[name]


def check_names(only: Sequence[str]) -> None:
    """Refuse names of no way, before anything is imported.

    Raises:
        InputError: One is none.
    """
    known = all_ways()
    for name in only:
        if name not in known:
            raise InputError("only", name, f"it must be one of {', '.join(known)}")


def chosen(only: Sequence[str], device: str) -> list[Way]:
    """The ways of a device, or those of them that are named; the reference is always the first.

    Args:
        only: Names; none means all.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: A name is none of them, or it names one that can't run on this machine.
    """
    known = all_ways()
    here = {name: way for name, way in known.items() if device in way.devices}
    for name in only:
        if name not in here:
            zeros = ": zeros do not help on a GPU, so" if name in known and device == "cuda" else ";"
            raise InputError(
                "only", name, f"it is no way to run on {device}{zeros} allowed are {', '.join(here)}"
            )
        reason = here[name].missing()
        if reason is not None:
            raise InputError("only", name, reason)
    return [way for name, way in here.items() if not only or name in (REFERENCE, *only)]


def without(extra: str, *packages: str) -> Callable[[], str | None]:
    """What says that packages are missing, for `Way.missing`.

    Args:
        extra: The extra of this package that brings them.
        packages: Their names.
    """

    def missing() -> str | None:
        lacking = [package for package in packages if importlib.util.find_spec(package) is None]
        if not lacking:
            return None
        return f"it needs {', '.join(lacking)}: pip install 'deepcuts[{extra}]'"

    return missing
