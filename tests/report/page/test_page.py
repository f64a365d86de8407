"""The page in a browser: nothing fetched, no error, every figure seen, on a phone too, by day and night."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM, look

VOID = {"meta", "link", "br", "img", "input"}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_the_page_in_a_browser(built: Path, tmp_path: Path, width: int, dark: bool) -> None:
    found, console = look(built / "report.html", tmp_path, width=width, dark=dark)
    assert console == []
    assert found["fetched"] == []
    assert found["width"] == width
    assert found["content"] <= width  # nothing but the tables' own boxes scrolls sideways
    names = {path.stem for path in (built / "figures").glob("*.svg")}
    assert {figure["name"] for figure in found["figures"]} == {f"figure-{name}" for name in names}
    for figure in found["figures"]:
        assert figure["shown"], figure
        assert figure["width"] > 300, figure
        assert figure["height"] > 100, figure
        assert figure["right"] <= width, figure
        assert len(figure["label"]) > 40, figure
    assert len(found["ids"]) == len(set(found["ids"]))
    assert found["dark"] == dark
    paper, ink = (sum(map(int, re.findall(r"\d+", found[part])[:3])) for part in ("paper", "ink"))
    assert (paper < ink) == dark
    assert abs(paper - ink) > 400
    order = [float(value) for value in found["before"]]
    assert [float(value) for value in found["ascending"]] == sorted(order)
    assert [float(value) for value in found["descending"]] == sorted(order, reverse=True)


class Tags(HTMLParser):
    """Checks that tags are closed in order, and collects what an address could be fetched from."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_is_well_formed(built: Path) -> None:
    tags = Tags()
    tags.feed((built / "report.html").read_text(encoding="utf-8"))
    assert tags.open == []
    assert all(link.startswith(("#", "data:")) for link in tags.links)
    words = " ".join(tags.text.split())
    for said in (
        "53 of 55 cells are done, 1 failed, 1 missing.",
        "minilm on stsb, rewind finetuned",
        "ValueError: the loss became <NaN> & stayed so",  # escaped: text, not tags
        "0123456789ab (dirty)",
        "failed: seed 0",
        "missing: seed 1",
        "within noise",
        "over dev rows only",
        "chosen after the fact",
        "not reached",
        "no interval",
        "The dense model reaches",
    ):
        assert said in words, said
