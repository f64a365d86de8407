"""Plugins: modules outside of this package that register choices of their own when they are imported.

They are found by the entry point group `GROUP` of installed packages, and by the environment variable
`VARIABLE`, which the option ``--plugin`` of the command sets. Worker processes, those of ``torchrun`` and
Ray's inherit the variable, and so know the same choices. Whoever looks something up in a registry calls
`load` before.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from deepcuts.common.errors import InputError, brief

#: Entry points of this group name modules.
GROUP = "deepcuts.plugins"
#: Modules by name, or Python files by path, with a comma between them.
VARIABLE = "DEEPCUTS_PLUGINS"
# What this package registers itself in the same way. A checkout's metadata may be older than its files.
_OWN = ("deepcuts.demo.task",)

_lock = threading.RLock()
_installed_are_loaded = False
_loaded: dict[str, str | None] = {}  # name → version, in their order


def load() -> None:
    """Import all plugins that have not been imported yet; cheap where there is nothing to do.

    Raises:
        InputError: One of them can't be imported.
    """
    global _installed_are_loaded
    named = names()
    if _installed_are_loaded and all(name in _loaded for name in named):
        return
    with _lock:
        if not _installed_are_loaded:
            # Before the first is imported: a plugin may itself ask a registry, which comes here again.
            _installed_are_loaded = True
            try:
                for name, version in {**dict.fromkeys(_OWN), **_installed()}.items():
                    _load(name, version)
            except InputError:
                _installed_are_loaded = False
                raise
        for name in named:
            _load(name)


def add(modules: Iterable[str]) -> None:
    """Let `load` import more modules, here and in every process that this one starts.

    Args:
        modules: Names of modules that can be imported, or paths of Python files.

    Raises:
        InputError: A path names no file, or holds a comma.
    """
    wanted = [_absolute(name) for name in modules]
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*names(), *wanted]))


def names() -> list[str]:
    """The modules and files that `VARIABLE` names."""
    return [name for part in os.environ.get(VARIABLE, "").split(",") if (name := part.strip())]


def described() -> dict[str, str | None]:
    """What has been loaded besides this package's own: name → version, or the digest of a file."""
    return {name: version for name, version in _loaded.items() if name not in _OWN}


def variables() -> dict[str, str]:
    """The environment variables that a process elsewhere needs for finding the same plugins."""
    return {VARIABLE: ",".join(names())} if names() else {}


def _installed() -> dict[str, str | None]:
    """Modules that packages name → the package's version."""
    from importlib.metadata import entry_points

    return {entry.module: entry.dist.version if entry.dist else None for entry in entry_points(group=GROUP)}


def _load(name: str, version: str | None = None) -> None:
    if name in _loaded:
        return
    _loaded[name] = version
    try:
        module = _import_file(Path(name)) if _is_path(name) else importlib.import_module(name)
        if version is None and name not in _OWN:
            _loaded[name] = _digest(getattr(module, "__file__", None))
    except Exception as error:  # a module may raise whatever it likes
        del _loaded[name]
        reason = f"{type(error).__name__}: {brief(error)}"
        raise InputError(
            "plugin", name, f"it must be a module that can be imported, or a Python file's path ({reason})"
        ) from error


def _digest(file: str | None) -> str | None:
    """What tells two states of a module apart that has no version; None where it is no file."""
    if file is None or not Path(file).is_file():
        return None
    return f"sha256 {hashlib.sha256(Path(file).read_bytes()).hexdigest()}"


def _import_file(path: Path) -> ModuleType:
    module_name = f"deepcuts_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _is_path(name: str) -> bool:
    return name.endswith(".py") or os.sep in name


def _absolute(name: str) -> str:
    """A path as another process, which may run elsewhere, finds it; a module's name as it is."""
    if "," in name or not name.strip():
        raise InputError("plugin", name, "it must be a module or a Python file, without a comma")
    if not _is_path(name):
        return name
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise InputError("plugin", name, "there is no such file")
    if path.suffix != ".py":
        raise InputError("plugin", name, "the file's name must end in .py")
    return str(path)
