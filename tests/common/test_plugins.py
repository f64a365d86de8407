"""Plugins: found by a variable and by entry points, imported once, and named when they are broken."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from deepcuts.common import plugins
from deepcuts.common.environment import environment
from deepcuts.common.errors import InputError


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugins.load()
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)


def write(path: Path, says: str = "") -> None:
    """A module that counts in the environment how often it was imported."""
    counts = "os.environ['IMPORTED'] = os.environ.get('IMPORTED', '') + __name__[:15] + ' '"
    path.write_text(f"import os\n{says}\n{counts}\n")


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("IMPORTED", "")
    return []


@pytest.mark.usefixtures("imported")
def test_named_modules_and_files_are_imported_once(tmp_path: Path) -> None:
    write(tmp_path / "plugin_one.py")
    write(tmp_path / "two.py")
    plugins.add(["plugin_one", "two.py"])
    assert plugins.names() == ["plugin_one", str(tmp_path / "two.py")]  # another process may run elsewhere
    assert plugins.variables() == {plugins.VARIABLE: f"plugin_one,{tmp_path / 'two.py'}"}
    assert os.environ["IMPORTED"] == ""
    plugins.load()
    plugins.load()
    assert os.environ["IMPORTED"] == "plugin_one deepcuts_plugin "
    sys.modules.pop("plugin_one")


@pytest.mark.usefixtures("imported")
def test_what_is_named_later_is_imported_later(tmp_path: Path) -> None:
    for name in ("early.py", "late.py"):
        write(tmp_path / name)
        plugins.add([name, name])
        plugins.load()
    assert os.environ["IMPORTED"] == "deepcuts_plugin deepcuts_plugin "


@pytest.mark.usefixtures("imported")
def test_a_plugin_may_itself_ask_for_plugins(tmp_path: Path) -> None:
    write(tmp_path / "asks.py", "from deepcuts.common import plugins\nplugins.load()")
    plugins.add(["asks.py"])
    plugins.load()
    assert os.environ["IMPORTED"] == "deepcuts_plugin "


@pytest.mark.usefixtures("imported")
def test_installed_packages_name_plugins_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "installed_plugin.py")
    entry = EntryPoint("mine", "installed_plugin", plugins.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry] * (group == plugins.GROUP))
    monkeypatch.setattr(plugins, "_installed_are_loaded", False)
    plugins.load()
    plugins.load()
    assert os.environ["IMPORTED"] == "installed_plugi "
    sys.modules.pop("installed_plugin")


@pytest.mark.parametrize(
    ("content", "reason"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("import no_such_thing", "No module named")],
)
def test_a_broken_plugin_is_named_with_the_reason_each_time(
    tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "broken.py").write_text(content)
    plugins.add(["broken.py"])
    for _ in range(2):
        with pytest.raises(InputError, match=f"plugin: got '.*broken.py', but .*{reason}"):
            plugins.load()
    (tmp_path / "broken.py").write_text("")
    plugins.load()


@pytest.mark.parametrize("name", ["missing.py", "", "a,b", "folder/x"])
def test_what_is_no_module_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="plugin: got"):
        plugins.add([name])


def test_a_module_that_is_not_there_is_named() -> None:
    plugins.add(["no_such_module"])
    with pytest.raises(InputError, match=r"plugin: got 'no_such_module', but .*No module named"):
        plugins.load()


def test_this_packages_own_task_needs_no_metadata() -> None:
    """In a checkout they may be older than its files."""
    code = (
        "import importlib.metadata as m; m.entry_points = lambda **k: [];"
        "from deepcuts.tasks import named_tasks; print(*named_tasks())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sst2", "cola", "stsb", "minimal-pairs"]


def test_importing_the_package_asks_for_no_plugin() -> None:
    code = "import sys, deepcuts, deepcuts.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "deepcuts.cli" in done.stdout.split()
    assert "deepcuts.demo.task" not in done.stdout.split()


def test_what_was_loaded_is_described_by_version_or_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text("")
    (tmp_path / "named_one.py").write_text("a = 1")
    (tmp_path / "installed_one.py").write_text("")
    (tmp_path / "some-2.5.dist-info").mkdir()
    (tmp_path / "some-2.5.dist-info" / "METADATA").write_text("Name: some\nVersion: 2.5\n")
    points = f"[{plugins.GROUP}]\nit = installed_one\n"
    (tmp_path / "some-2.5.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.setattr(plugins, "_installed_are_loaded", False)
    monkeypatch.setattr(plugins, "_loaded", {})
    plugins.add(["own.py", "named_one"])
    found = environment()["plugins"]
    assert found == {}
    plugins.load()
    found = environment()["plugins"]
    assert found.pop("installed_one") == "2.5"
    assert found == {
        str(tmp_path / "own.py"): f"sha256 {hashlib.sha256(b'').hexdigest()}",
        "named_one": f"sha256 {hashlib.sha256(b'a = 1').hexdigest()}",
    }
    for name in ("named_one", "installed_one"):
        sys.modules.pop(name)
