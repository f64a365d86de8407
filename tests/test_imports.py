"""How the modules hang together: what importing one loads, and that imports point down."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deepcuts

PACKAGE = Path(deepcuts.__file__).parent

# From the bottom up: a module imports from lower tiers only, never from its own or a higher one. A package
# (criteria, tasks, …) is one entry, and free inside.
TIERS = [
    ["errors", "param_stats", "seeds", "digests", "files", "progress", "environment", "quiet"],
    ["hub", "processes", "training_plan"],
    ["options"],
    ["criteria"],
    ["strategy"],
    ["prunable", "tensor_file", "request"],
    ["packed"],
    ["pruned_tensor"],
    ["sparse_checkpoint"],
    ["transformers_plugin"],
    ["budget", "scores", "masks"],
    ["statistics", "selection", "masking", "rewinding", "inspection", "analysis"],
    ["smoothing", "compiled"],
    ["sweep"],
    ["scoring"],
    ["tasks"],
    ["heads"],
    ["models", "runtime"],
    ["encoding"],
    ["training"],
    ["config"],
    ["store", "run_folder"],
    ["stages"],
    ["saving", "export"],
    ["pipeline"],
    ["demo", "grid", "prediction", "bench"],
    ["report"],
    ["cli"],
    ["__main__"],
]
TIER = {name: number for number, tier in enumerate(TIERS) for name in tier}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
BY_PATH = pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])

HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "matplotlib",
    "pandas",
    "sklearn",
    "scipy",
    "typer",
    "pydantic",
}
CORE = [
    "scoring",
    "selection",
    "masking",
    "masks",
    "scores",
    "budget",
    "rewinding",
    "export.torch_prune",
    "runtime",
]


def loaded_by(*modules: str) -> set[str]:
    """The top-level packages that a fresh interpreter has after importing the modules."""
    code = "\n".join(
        [
            f"import sys, {', '.join(modules)}",
            "print(*sorted({name.partition('.')[0] for name in sys.modules}))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("deepcuts")
    assert "deepcuts" in loaded
    assert not loaded & (HEAVY | {"numpy"})


def test_importing_the_core_loads_torch_alone() -> None:
    loaded = loaded_by(*(f"deepcuts.{name}" for name in CORE))
    assert "torch" in loaded
    assert not loaded & (HEAVY - {"torch"})


def unit_of(path: Path) -> str:
    """A file's entry in the tiers: its name, or that of the package below deepcuts that it is in."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_units(path: Path) -> set[str]:
    """The entries that a file imports from, anywhere in it."""
    here = ["deepcuts", *path.relative_to(PACKAGE).with_suffix("").parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "deepcuts" and len(parts) > 1:
                found.add(parts[1])
    return found


@BY_PATH
def test_every_module_has_a_tier(path: Path) -> None:
    unit = unit_of(path)
    assert unit in TIER, f"deepcuts.{unit} has no tier: add it to TIERS in {Path(__file__).name}"


@BY_PATH
def test_imports_point_down(path: Path) -> None:
    unit = unit_of(path)
    if unit not in TIER:
        pytest.skip("has no tier, which the test above reports")
    for other in sorted(imported_units(path)):
        if other == unit or other == "__version__":
            continue
        assert other in TIER, (
            f"{path.name} imports deepcuts.{other}, which is no module with a tier: add it to TIERS, or name "
            "the module that a public name comes from"
        )
        assert TIER[other] < TIER[unit], (
            f"{path.name} (tier {TIER[unit]}) imports deepcuts.{other} (tier {TIER[other]}); imports must "
            "point down to a lower tier"
        )


def test_imports_are_found_in_all_their_forms(tmp_path: Path) -> None:
    """The check above sees what there is to see."""
    path = PACKAGE / "tasks" / "example.py"
    forms = "\n".join(
        [
            "import deepcuts.errors as e, torch",
            "from deepcuts.files import read_json",
            "from deepcuts import seeds",
            "from .. import masks",
            "from ..scores import Scores",
            "from . import glue",
            "def f():",
            "    from deepcuts.scoring import score",
        ]
    )

    class Fake(type(path)):  # type: ignore[misc]
        def read_text(self, encoding: str | None = None) -> str:
            return forms

    assert imported_units(Fake(path)) == {"errors", "files", "seeds", "masks", "scores", "tasks", "scoring"}


def test_every_public_name_is_where_the_package_says() -> None:
    assert set(deepcuts.__all__) == {*deepcuts._HOMES, "__version__"}
    assert dir(deepcuts) == deepcuts.__all__
    for name, home in deepcuts._HOMES.items():
        found = getattr(deepcuts, name)
        assert found is getattr(sys.modules[f"deepcuts.{home}"], name)
        assert found.__module__.startswith("deepcuts.")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = deepcuts.nothing


def test_type_checkers_see_the_names_that_are_loaded_late() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deepcuts.")
        for alias in node.names
    }
    assert seen == {name: f"deepcuts.{home}" for name, home in deepcuts._HOMES.items()}
