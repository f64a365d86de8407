from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import pytest
import torch

import deepcuts
from deepcuts.common import environment as module
from deepcuts.common.environment import environment


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in which the package seems to lie."""
    own = tmp_path / "src" / "deepcuts" / "common" / "environment.py"
    own.parent.mkdir(parents=True)
    own.write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "one")
    monkeypatch.setattr(module, "__file__", str(own))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_environment_names_versions_and_machine() -> None:
    found = json.loads(json.dumps(environment()))
    assert found["deepcuts"] == deepcuts.__version__
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == torch.__version__
    assert found["packages"]["transformers"]
    assert found["threads"] == torch.get_num_threads()


def test_the_environment_names_the_commit_and_whether_files_differ_from_it(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert (environment()["commit"], environment()["dirty"]) == (commit, False)
    (checkout / "src" / "deepcuts" / "common" / "environment.py").write_text("changed")
    assert (environment()["commit"], environment()["dirty"]) == (commit, True)


def test_an_installed_package_has_no_commit_even_inside_of_a_checkout(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = checkout / "venv" / "lib" / "site-packages" / "deepcuts" / "common" / "environment.py"
    monkeypatch.setattr(module, "__file__", str(installed))
    assert (environment()["commit"], environment()["dirty"]) == (None, None)
