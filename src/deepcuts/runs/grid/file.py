"""A grid's file: defaults, what changes with the value of a field, and the combinations: its cells."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.common.plain_yaml import read_yaml
from deepcuts.runs.data import data_options
from deepcuts.runs.settings import BUDGETS, settings

Settings = Mapping[str, Any]

#: More than a store of cells, and a person, can handle; a number with a zero too many is found by it.
MOST_CELLS = 20_000

# What a file from somebody else must not decide.
_COMMAND_LINE = {"trust_remote_code": "--trust-remote-code lets code that comes with models run"}
# What is said of tasks that are known by their names, and of no others.
_OF_TASKS = ("data",)
_NAME = re.compile(r"[^./\\\x00-\x1f\x7f-\x9f\u2028\u2029][^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]*")


@dataclass(frozen=True)
class Grid:
    """A grid as its file describes it.

    Attributes:
        name: What it is called in a store.
        cells: The settings of each cell: fields of `PruneConfig` and of `DataConfig`, in the file's order.
    """

    name: str
    cells: tuple[Settings, ...]


def read_grid(path: Path, **given: Any) -> Grid:
    """Read a grid's file, which is YAML.

    For example::

        name: small            # by default the file's name
        defaults:              # any field of a run's configuration
          model: minilm
          retrain_epochs: 3
        changes:               # fields that change with the value of another one
          task:
            stsb: {learning_rate: 5.0e-5}
        grids:                 # each of them: every combination of what is listed
          - task: [stsb, cola]
            strategy: [LayerGradCAMShift, Random]
            density: [0.36, 0.147]
            seed: [0, 1]

    A grid's own fields go before `changes`, and these before `defaults`. Equal cells count once.

    Args:
        path: The file.
        given: Fields that go before everything in the file; None counts as not given.

    Raises:
        InputError: The file is missing, no YAML, or holds what no grid may; the message says where.
    """
    content = _mapping(read_yaml(path, "grid"), str(path))
    _check_names(content, {"name", "defaults", "changes", "grids"}, str(path))
    defaults = _mapping(content.get("defaults", {}), "defaults")
    fields = _fields()
    _check_names(defaults, fields, "defaults")
    _check_single(defaults, fields, "defaults")
    changes = _read_changes(_mapping(content.get("changes", {}), "changes"), fields)
    grids = content.get("grids")
    if not isinstance(grids, list) or not grids:
        raise InputError("grids", grids, "it must be a list of at least one grid")
    overrides = {name: value for name, value in given.items() if value is not None}
    places = {f"grids[{index}]": grid for index, grid in enumerate(grids)}
    axes = {place: _axes(_mapping(grid, place), place, fields) for place, grid in places.items()}
    count = sum(math.prod(map(len, one.values())) for one in axes.values())
    if count > MOST_CELLS:
        raise InputError("grids", count, f"a grid has at most {MOST_CELLS:,} cells; make several of it")
    met: set[tuple[str, Any]] = set()
    cells = [cell for one in axes.values() for cell in _cells(one, defaults, changes, overrides, met)]
    _check_met(changes, met, overrides)
    name = content.get("name", path.stem)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name.encode()) > 200:
        raise InputError("name", name, "it must be a word that can name a file")
    unused = [field for field in overrides if field in _OF_TASKS and not any("task" in one for one in cells)]
    if unused:
        raise InputError(unused[0], overrides[unused[0]], "no cell of this grid has a task known by its name")
    unique = {repr(sorted(cell.items())): cell for cell in cells}
    return Grid(name, tuple(unique.values()))


def _fields() -> dict[str, Option]:
    """What a cell may set, by name."""
    return {**{option.setting: option for option in data_options()}, **settings()}


def _read_changes(content: Settings, fields: Mapping[str, Option]) -> dict[str, dict[Any, Settings]]:
    _check_names(content, fields, "changes")
    found: dict[str, dict[Any, Settings]] = {}
    for field, by_value in content.items():
        found[field] = {}
        for value, changed in _mapping(by_value, f"changes.{field}").items():
            place = f"changes.{field}.{value}"
            found[field][value] = _mapping(changed, place)
            _check_names(found[field][value], fields.keys() - {field}, place)
            _check_single(found[field][value], fields, place)
    return found


def _axes(grid: Settings, place: str, fields: Mapping[str, Option]) -> dict[str, Sequence[Any]]:
    """The values of each field of a grid."""
    _check_names(grid, fields, place)
    found = {name: _axis(fields[name], value, place) for name, value in grid.items()}
    for name, values in found.items():
        for value in values:
            _check_single({name: value}, fields, place)
    return found


def _cells(
    axes: Mapping[str, Sequence[Any]],
    defaults: Settings,
    changes: Mapping[str, Mapping[Any, Settings]],
    overrides: Settings,
    met: set[tuple[str, Any]],
) -> Iterator[Settings]:
    """The cells of one grid; `met` gets the fields and values that cells have of those that change others."""
    for values in itertools.product(*axes.values()):
        own = dict(zip(axes, values, strict=True))
        chosen = {**_merged(defaults, own), **overrides}
        changed: Settings = {}
        for field, by_value in changes.items():
            value = chosen.get(field)  # several, such as columns, name no change
            if not isinstance(value, list) and value in by_value:
                met.add((field, value))
                changed = _merged(changed, by_value[value])
        cell = _merged(_merged(defaults, changed), own)
        above = {name: value for name, value in overrides.items() if "task" in cell or name not in _OF_TASKS}
        yield _merged(cell, above)


def _check_met(
    changes: Mapping[str, Mapping[Any, Settings]], met: set[tuple[str, Any]], overrides: Settings
) -> None:
    """Refuse what changes with a value that no cell has: a slip of the pen would change nothing."""
    for field, by_value in changes.items():
        for value in by_value:
            if (field, value) not in met and field not in overrides:
                raise InputError(
                    f"changes.{field}", value, f"no cell's {field} is said to be that, so it changes nothing"
                )


def _axis(field: Option, value: Any, place: str) -> Sequence[Any]:
    """The values that a field takes in a grid; one that holds several lists lists of them."""
    is_axis = isinstance(value, list) and (field.count == 1 or any(isinstance(one, list) for one in value))
    values = value if is_axis else [value]
    if not values:
        raise InputError(f"{place}.{field.setting}", value, "it must list at least one value")
    return values


def _merged(below: Settings, above: Settings) -> dict[str, Any]:
    """Settings with others on top; a budget on top takes the place of a budget of another kind."""
    budgets = BUDGETS if above.keys() & set(BUDGETS) else ()
    return {**{name: value for name, value in below.items() if name not in budgets}, **above}


def _check_single(content: Settings, fields: Mapping[str, Option], place: str) -> None:
    """Refuse lists and mappings where a field takes one value."""
    for name, value in content.items():
        single = fields[name].count == 1
        parts = value if isinstance(value, list) and not single else [value]
        if any(isinstance(part, list | dict) for part in parts):
            what = "one value; grids alone list several" if single else "a list of single values"
            raise InputError(f"{place}.{name}", value, f"it must be {what}")


def _mapping(value: Any, place: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise InputError(place, value, "it must be a mapping of names to values")
    return value


def _check_names(content: Mapping[Any, Any], allowed: Collection[str], place: str) -> None:
    for name in content:
        if name in _COMMAND_LINE:
            raise InputError(place, name, f"only the command line may say so: {_COMMAND_LINE[name]}")
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, n=3) or sorted(allowed)
            raise InputError(place, name, f"it may hold {', '.join(near)}")
