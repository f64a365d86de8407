"""A run that nothing interrupted, made once for all tests that look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs import job

from deepcuts.runs.pipeline import prune


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a model, once they are asked for, and runs."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def finished(home: Path) -> dict[str, Any]:
    """The result of a run that nothing interrupted."""
    return prune(job(home), home / "finished", keep_scores=True)
