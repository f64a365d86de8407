"""A grid's processes know the package's own choices alone, so those of other tests are forgotten here."""

from __future__ import annotations

import pytest

from deepcuts.training.objectives import OBJECTIVES


@pytest.fixture(autouse=True)
def own_objectives(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, one in list(OBJECTIVES.items()):
        if not one.function.__module__.startswith("deepcuts."):
            monkeypatch.delitem(OBJECTIVES, name)
