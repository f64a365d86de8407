"""Public modules are reached by their short names too, and are the same modules."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest


def test_the_short_name_is_the_module_itself() -> None:
    """Also where it is the first to be imported; tests import the long name first."""
    code = """
import deepcuts.runtime, deepcuts.deploy.runtime
from deepcuts.runtime import sparsify
import deepcuts.runtime.kernel as one, deepcuts.deploy.runtime.kernel as other
assert deepcuts.runtime is deepcuts.deploy.runtime
assert one is other
assert sparsify.__module__ == "deepcuts.deploy.runtime.conversion"
assert deepcuts.deploy.runtime.__spec__.name == "deepcuts.deploy.runtime"
import deepcuts.transformers_plugin
assert deepcuts.transformers_plugin is deepcuts.models.transformers_plugin
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_can_be_run_and_what_is_not_there_is_not_found() -> None:
    """As ``python -m`` runs a module, but under another name than ``__main__``, so that it does nothing."""
    assert "LIBRARY" in runpy.run_module("deepcuts.runtime.build", run_name="looked at")
    with pytest.raises(ModuleNotFoundError):
        __import__("deepcuts.runtime.nothing")
