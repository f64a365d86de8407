"""What cells are called: by the fields in which those of one grid differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from deepcuts.common.errors import DeepcutsError
from deepcuts.runs.settings import BUDGETS, settings, unread

_APART = {"model", "data", "strategy", "seed", *BUDGETS}


@dataclass(frozen=True)
class Label:
    """Where a cell stands in a table of cells.

    Attributes:
        row: Model, task and strategy as far as they differ, and every other setting that does.
        column: Its budget, such as ``"density 0.147"``.
        seed: Its seed.
    """

    row: str
    column: str
    seed: int

    def __str__(self) -> str:
        return f"{self.row}, {self.column}, seed {self.seed}"


def label_cells(configs: Sequence[Mapping[str, Any]]) -> list[Label]:
    """Labels of cells, from their configurations as ``config.json`` holds them.

    Every setting in which cells differ stands in the name of every cell that reads it, its default too; but
    not one that follows from model and task, which are named themselves.
    """
    declared = settings()
    defaults = {name: option.default for name, option in declared.items() if option.default is not ...}
    flat = [{**defaults, **config} for config in configs]
    models = _short([str(config["model"]) for config in configs])
    tasks = _tasks([config["data"] for config in configs])
    groups: dict[tuple[str, str], dict[str, set[str]]] = {}
    values: dict[str, set[str]] = {}
    for fields, model, task in zip(flat, models, tasks, strict=True):
        for name in fields.keys() - _APART:
            value = json.dumps(fields[name], sort_keys=True)
            values.setdefault(name, set()).add(value)
            groups.setdefault((model, task), {}).setdefault(name, set()).add(value)
    told = sorted(name for name in values if any(len(group.get(name, ())) > 1 for group in groups.values()))
    return [
        _label(
            fields,
            [model] * (len(set(models)) > 1) + [task] * (len(set(tasks)) > 1) + [str(fields["strategy"])],
            told,
        )
        for fields, model, task in zip(flat, models, tasks, strict=True)
    ]


def setting_words(name: str, value: Any) -> str:
    """A setting as it stands in names: ``"rewind pretrained"``."""
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    return f"{name} {'none' if value is None else value}"


def _label(fields: Mapping[str, Any], named: Sequence[str], told: Sequence[str]) -> Label:
    unread = _unread(fields)
    others = [setting_words(name, fields.get(name)) for name in told if name not in unread]
    budget = next(name for name in BUDGETS if fields[name] is not None)
    return Label(" ".join([*named, *others]), f"{budget} {fields[budget]:.12g}", int(fields["seed"]))


def _unread(fields: Mapping[str, Any]) -> set[str]:
    """Settings that a cell doesn't read; none where it names a choice that is not there now."""
    try:
        return unread(**{name: fields.get(name) for name in ("strategy", "scope", "recipe", "objective")})
    except DeepcutsError:
        return set()


def _short(names: Sequence[str]) -> list[str]:
    """Names by their last part, unless two share it."""
    last = [PurePath(name).name or name for name in names]
    return last if len(set(last)) == len(set(names)) else list(names)


def _tasks(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Short names of tasks; where two have the same, with what they differ in."""
    names = [str(source["task"] or PurePath(str(source["train"])).stem) for source in sources]
    alike: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, source in zip(names, sources, strict=True):
        alike.setdefault(name, {})[json.dumps(source, sort_keys=True)] = source
    found = []
    for name, source in zip(names, sources, strict=True):
        others = list(alike[name].values())
        differing = [field for field in source if len({json.dumps(one.get(field)) for one in others}) > 1]
        found.append(" ".join([name, *(setting_words(field, source[field]) for field in differing)]))
    return found
