"""Command lines that should not be: a status of 0, 1 or 2, a message, and nothing changed that was there."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from bad_inputs import Bad, bad_inputs, ground, outcome
from huggingface_hub import constants

#: How many here; ``make torture`` tries more.
COUNT = 60
BAD = list(islice(bad_inputs(0), COUNT))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ground(tmp_path_factory.mktemp("ground"))


@pytest.mark.parametrize("bad", BAD, ids=range(COUNT))
def test_bad_inputs(here: Path, bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    outcome(bad, here)
