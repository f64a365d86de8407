"""What cells are called: by the fields in which those of one grid differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from deepcuts.runs.settings import BUDGETS, SCHEDULED, names_of, panels, training_options

_ALWAYS = ("model", "task", "strategy")


@dataclass(frozen=True)
class Label:
    """Where a cell stands in a table of cells.

    Attributes:
        row: Model, task and strategy as far as they differ, and settings that are not the usual ones.
        column: Its budget, such as ``"density 0.147"``.
        seed: Its seed.
    """

    row: str
    column: str
    seed: int

    def __str__(self) -> str:
        return f"{self.row}, {self.column}, seed {self.seed}"


def label_cells(configs: Sequence[Mapping[str, Any]]) -> list[Label]:
    """Labels of cells, from their configurations as ``config.json`` holds them."""
    flat = [{**config, **_data(config["data"])} for config in configs]
    counts: dict[str, Counter[str]] = {}
    for fields in flat:
        for name, value in fields.items():
            counts.setdefault(name, Counter())[json.dumps(value)] += 1
    told = _told()
    usual = {name: count.most_common(1)[0][0] for name, count in counts.items()}
    return [
        _label(fields, usual, {name for name, count in counts.items() if len(count) > 1}, told)
        for fields in flat
    ]


def _label(fields: Mapping[str, Any], usual: Mapping[str, str], differing: set[str], told: set[str]) -> Label:
    named = [PurePath(str(fields[name])).name for name in _ALWAYS if name in differing or name == "strategy"]
    apart = {*_ALWAYS, *BUDGETS, "seed", "data"}
    # A schedule that goes with the task, as the file's `changes` say, names nothing new.
    others = [
        f"{name} {fields[name]}"
        for name in sorted(differing - apart)
        if json.dumps(fields[name]) != usual[name] and name in told
    ]
    budget = next(name for name in BUDGETS if fields[name] is not None)
    return Label(" ".join([*named, *others]), f"{budget} {fields[budget]:g}", int(fields["seed"]))


def _told() -> set[str]:
    """Settings that are studied; those of the dense model follow from model and task in most grids."""
    every = names_of([option for options in panels().values() for option in options])
    dense = {*names_of(training_options()), *SCHEDULED} - {"retrain_epochs"}
    return every - dense


def _data(source: Mapping[str, Any]) -> dict[str, Any]:
    return {"task": source["task"] or PurePath(source["train"]).stem, "data": source["data"]}
