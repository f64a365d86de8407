from __future__ import annotations

from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from deepcuts.common.hub import hub_problem


@pytest.mark.parametrize(("kind", "question"), [("model", "model_info"), ("dataset", "dataset_info")])
def test_the_hub_is_asked_once_and_its_answer_is_the_reason(
    monkeypatch: pytest.MonkeyPatch, kind: Any, question: str
) -> None:
    asked: list[tuple[str, float]] = []

    def unreachable(self: Any, name: str, timeout: float) -> None:
        asked.append((name, timeout))
        raise ConnectionError("no route to the hub\nand more")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, question, unreachable)
    assert hub_problem("owner/name", kind) == "no route to the hub"
    assert asked == [("owner/name", 5.0)]
    monkeypatch.setattr(huggingface_hub.HfApi, question, lambda self, name, timeout: None)
    assert hub_problem("owner/name", kind) is None


def test_offline_mode_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", None)
    assert "offline" in str(hub_problem("owner/name", "model"))
