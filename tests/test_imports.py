"""How the rooms hang together: what importing one loads, that imports point down and nothing goes round."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deepcuts

PACKAGE = Path(deepcuts.__file__).parent

#: From the bottom up: a file imports from its own room and from earlier ones, never from a later one.
ROOMS = [
    "common",
    "architectures",
    "masks",
    "scoring",
    "tasks",
    "models",
    "training",
    "runs",
    "deploy",
    "report",
    "demo",
    "cli",
]
#: Rooms that stand beside each other: neither imports from the other.
APART = [{"scoring", "tasks"}, {"deploy", "report"}]
ROOT = {"__init__.py", "__main__.py", "py.typed"}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)
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
CORE = ["architectures", "masks", "scoring", "scoring.scoring", "masks.selection", "masks.holding", "runtime"]


def modules_after(*modules: str) -> set[str]:
    """The modules that a fresh interpreter has after importing some."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def loaded_by(*modules: str) -> set[str]:
    """The top-level packages that a fresh interpreter has after importing the modules."""
    return {name.partition(".")[0] for name in modules_after(*modules)}


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("deepcuts")
    assert "deepcuts" in loaded
    assert not loaded & (HEAVY | {"numpy"})


def test_importing_the_core_loads_torch_alone() -> None:
    loaded = loaded_by(*(f"deepcuts.{name}" for name in CORE))
    assert "torch" in loaded
    assert not loaded & (HEAVY - {"torch"})


def test_what_can_be_set_is_known_without_torch() -> None:
    """So that ``deepcuts prune --help`` doesn't wait seconds for it; strategies and their options as well."""
    loaded = loaded_by("deepcuts.runs.config", "deepcuts.scoring")
    assert "deepcuts" in loaded
    assert not loaded & {"torch", "transformers", "datasets", "sklearn", "scipy", "pandas", "matplotlib"}


def test_what_help_shows_of_a_run_is_known_without_numpy_and_pydantic() -> None:
    """Half of the time that ``deepcuts prune --help`` would take; kinds of task, named tasks are among it."""
    loaded = loaded_by("deepcuts.runs.settings", "deepcuts.runs.data", "deepcuts.tasks")
    assert "deepcuts" in loaded
    assert not loaded & (HEAVY | {"numpy"})


def test_the_list_of_commands_needs_no_room_below() -> None:
    """``deepcuts --help`` shows what each file says of itself; a command loads the rest once it is called."""
    rooms = {
        name.split(".")[1] for name in modules_after("deepcuts.cli") if name.startswith("deepcuts.")
    } & set(ROOMS)
    assert rooms == {"cli", "common"}


def test_the_root_holds_rooms_and_nothing_else() -> None:
    held = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert held == ROOT | set(ROOMS)


def test_no_file_is_longer_than_one_can_read_in_one_go() -> None:
    top = Path(__file__).parent.parent
    paths = [path for folder in ("src", "tests", "benchmarks") for path in (top / folder).rglob("*.py")]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert len(lines) > 500
    assert [f"{path}: {count}" for path, count in lines.items() if count > 300] == []


def test_every_room_says_what_it_is_for() -> None:
    for room in ROOMS:
        text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8")))
        assert text, room


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(["deepcuts", *(parts[:-1] if parts[-1] == "__init__" else parts)])


def imports_of(path: Path, *, late: bool = True) -> set[str]:
    """What of this package a file imports, as dotted names that may end in a name inside a module.

    Args:
        path: The file.
        late: Whether imports inside functions and for type checkers alone count.
    """
    here = ["deepcuts", *path.relative_to(PACKAGE).with_suffix("").parts]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name for name in names if name.startswith("deepcuts.")}
    return found


MODULES = {module_of(path): path for path in FILES}


def module_in(name: str) -> str | None:
    """The module that a dotted name is, or is a name in."""
    while name not in MODULES:
        name, _, last = name.rpartition(".")
        if not last:
            return None
    return name


@BY_PATH
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    for name in sorted(imports_of(path)):
        other = name.split(".")[1]
        assert other in ROOMS, f"{path.name} imports {name}: name the room that it comes from"
        assert ROOMS.index(other) <= ROOMS.index(room), f"{room} imports {name}, which stands above it"
        assert {room, other} not in APART, f"{room} imports {name}; the two rooms stand beside each other"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """A way round for each file that comes back to itself."""
    found = []
    for start in graph:
        stack, seen = [(start, [start])], set()
        while stack:
            at, way = stack.pop()
            for other in graph.get(at, ()):
                if other == start:
                    found.append([*way, start])
                elif other not in seen:
                    seen.add(other)
                    stack.append((other, [*way, other]))
    return found


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Late imports count: a circle that is only cut by one is a circle. A room's face hands names on."""
    graph = {
        module: {
            other
            for name in imports_of(path)
            if (other := module_in(name)) is not None
            and other != module
            and MODULES[other].name != "__init__.py"
        }
        for module, path in MODULES.items()
        if path.name != "__init__.py"
    }
    assert circles(graph) == []


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert ["a", "b", "a"] in circles({"a": {"b"}, "b": {"a"}})


def test_imports_are_found_in_all_their_forms() -> None:
    """The checks above see what there is to see."""
    forms = "\n".join(
        [
            "import deepcuts.common.errors as e, torch",
            "from deepcuts.common.files import read_json",
            "from deepcuts.common import seeds",
            "from .. import masks",
            "from ..scoring.scores import Scores",
            "from . import glue",
            "def f():",
            "    from deepcuts.scoring.scoring import score",
        ]
    )

    class Fake(type(PACKAGE)):  # type: ignore[misc]
        def read_text(self, encoding: str | None = None) -> str:
            return forms

    assert imports_of(Fake(PACKAGE / "tasks" / "example.py")) == {
        "deepcuts.common.errors",
        "deepcuts.common.files.read_json",
        "deepcuts.common.seeds",
        "deepcuts.masks",
        "deepcuts.scoring.scores.Scores",
        "deepcuts.tasks.glue",
        "deepcuts.scoring.scoring.score",
    }


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
        if node.module not in ("deepcuts.common.aliases", "deepcuts.common.version")
    }
    assert seen == {name: f"deepcuts.{home}" for name, home in deepcuts._HOMES.items()}
