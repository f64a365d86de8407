"""What tests of files of version 0.1 share: how they are read and compared."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import deepcuts

Command = Callable[..., tuple[int, str, str]]


def read(path: str | Path) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def same(first: deepcuts.Masks, second: deepcuts.Masks) -> bool:
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)
