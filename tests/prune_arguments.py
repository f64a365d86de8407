"""A good command line of prune, and what a command gives back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., tuple[int, str, str]]


def arguments(home: Path, **changes: Any) -> list[Any]:
    """A good command line; None leaves an option out."""
    options = {
        "model": home / "model", "train": home / "train.csv", "dev": home / "dev.csv", "text": "text",
        "label": "target", "density": 0.3, "select-on": "dev", "output": home / "run", **changes,
    }  # fmt: skip
    given = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
    return [part for name, value in given.items() for part in (f"--{name}", value)]
