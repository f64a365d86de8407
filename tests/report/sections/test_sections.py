"""Sections of the page: found, in their order, also one from outside of the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from stores import configure, write_store

from deepcuts.common import plugins
from deepcuts.report import write_report
from deepcuts.report.sections import registry

SEEDS_RUN = Path(__file__).with_name("seeds_run.py")


def headings(page: Path) -> list[str]:
    return re.findall(r"<h[23]>(.*?)</h[23]>", page.read_text(encoding="utf-8"))


def test_a_plugins_section_is_on_the_page_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins.load()
    store = write_store(tmp_path / "store", [configure("cola", "LayerMagGrad", 0.3, seed) for seed in (3, 5)])
    before = headings(write_report(store, tmp_path / "before", replicates=100))
    for name in ("_STUDY_PARTS", "_PAGE_SECTIONS"):
        monkeypatch.setattr(registry, name, list(getattr(registry, name)))
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    monkeypatch.setenv(plugins.VARIABLE, str(SEEDS_RUN))
    after = headings(write_report(store, tmp_path / "after", replicates=100))
    assert [name for name in after if name not in before] == ["Seeds that were run", "Thanks"]
    assert [name for name in after if name in before] == before
    position = after.index("Seeds that were run")
    assert after[position - 1 : position + 2 : 2] == [
        "How much is kept for how few weights",
        "Collapsed runs",
    ]
    assert after.index("Thanks") == after.index("What was run") - 1
    written = (tmp_path / "after" / "tables" / "seeds.csv").read_text(encoding="utf-8").splitlines()
    assert written == ["model,task,setting,seed", "minilm,cola,,3", "minilm,cola,,5"]
