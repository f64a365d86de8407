"""A grid's file: defaults, what changes with the value of a field, and the combinations: its cells."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.runs.data import data_options
from deepcuts.runs.grid import strict_yaml
from deepcuts.runs.settings import BUDGETS, settings

Settings = Mapping[str, Any]


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
    content = _mapping(_load(path), str(path))
    _check_names(content, {"name", "defaults", "changes", "grids"}, str(path))
    defaults = _mapping(content.get("defaults", {}), "defaults")
    fields = _fields()
    _check_names(defaults, fields, "defaults")
    changes = _read_changes(_mapping(content.get("changes", {}), "changes"), fields)
    grids = content.get("grids")
    if not isinstance(grids, list) or not grids:
        raise InputError("grids", grids, "it must be a list of at least one grid")
    overrides = {name: value for name, value in given.items() if value is not None}
    cells = [
        cell
        for index, grid in enumerate(grids)
        for cell in _cells(
            _mapping(grid, f"grids[{index}]"), f"grids[{index}]", fields, defaults, changes, overrides
        )
    ]
    name = content.get("name", path.stem)
    if not isinstance(name, str) or not name or name.startswith(".") or "/" in name:
        raise InputError("name", name, "it must be a word that can name a file")
    unique = {repr(sorted(cell.items())): cell for cell in cells}
    return Grid(name, tuple(unique.values()))


def _load(path: Path) -> Any:
    try:
        return strict_yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("grid", str(path), f"it must be a readable file ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError("grid", str(path), f"it must be YAML: {error}") from None


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
    return found


def _cells(
    grid: Settings,
    place: str,
    fields: Mapping[str, Option],
    defaults: Settings,
    changes: Mapping[str, Mapping[Any, Settings]],
    overrides: Settings,
) -> Iterator[Settings]:
    _check_names(grid, fields, place)
    axes = {name: _axis(fields[name], value, place) for name, value in grid.items()}
    for values in itertools.product(*axes.values()):
        own = dict(zip(axes, values, strict=True))
        chosen = _merged(defaults, own)
        changed: Settings = {}
        for field, by_value in changes.items():
            changed = _merged(changed, by_value.get(chosen.get(field), {}))
        yield _merged(_merged(_merged(defaults, changed), own), overrides)


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


def _mapping(value: Any, place: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise InputError(place, value, "it must be a mapping of names to values")
    return value


def _check_names(content: Mapping[Any, Any], allowed: Collection[str], place: str) -> None:
    for name in content:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, n=3) or sorted(allowed)
            raise InputError(place, name, f"it may hold {', '.join(near)}")
