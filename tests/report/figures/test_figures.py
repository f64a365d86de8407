"""Figures: the right numbers at the right places, and an SVG that a page can take."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import deepcuts
from deepcuts.common.errors import DeepcutsError
from deepcuts.report.figures import Level, Series, draw_curves, draw_matrix, style_of
from deepcuts.report.figures.files import save
from deepcuts.report.figures.style import COLOURS, INK, PAGE_COLOURS


def test_a_curve_has_its_means_single_values_and_levels() -> None:
    series = [
        Series("one", {0.1: [1.0, 3.0], 0.2: [5.0]}, style_of(0)),
        Series("two", {0.1: [0.5]}, style_of(1)),
    ]
    figure = draw_curves(
        series,
        title="title",
        x_title="x",
        y_title="y",
        levels=[Level("flat", 4.0), Level("sloped", {0.1: 0.0, 0.2: 1.0})],
        logarithmic=True,
    )
    (axes,) = figure.axes
    drawn = [list(line.get_ydata()) for line in axes.lines]
    for wanted in ([1.0, 3.0], [2.0, 5.0], [0.5], [4.0, 4.0], [0.0, 1.0]):
        assert wanted in drawn
    means = next(line for line in axes.lines if list(line.get_ydata()) == [2.0, 5.0])
    assert list(means.get_xdata()) == pytest.approx([0.1, 0.2], rel=0.02)  # moved by very little
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two", "flat", "sloped"]
    assert (axes.get_xlabel(), axes.get_ylabel(), figure.get_suptitle()) == ("x", "y", "title")


def test_a_matrix_says_its_numbers() -> None:
    figure = draw_matrix([[None, 0.25], [-0.001, None]], ["first", "second"], title="title")
    (axes,) = figure.axes
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((1.5, 0.5), ".25"),
        ((0.5, 1.5), ".00"),
    }
    assert [label.get_text().split() for label in axes.get_yticklabels()] == [["first", "1"], ["second", "2"]]


def test_files_and_the_svg_of_a_page(tmp_path: Path) -> None:
    def draw() -> str:
        series = [Series("one", {1.0: [1.0], 2.0: [2.0]}, style_of(0))]
        return save(draw_curves(series, title="t", x_title="x", y_title="y"), tmp_path, "name")

    inline = draw()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files.keys() == {"name.png", "name.svg"}
    assert files["name.png"].startswith(b"\x89PNG")
    ElementTree.fromstring(files["name.svg"])
    root = ElementTree.fromstring(inline)
    assert root.get("width") is None
    assert root.get("viewBox")
    assert not any(colour in inline for colour in PAGE_COLOURS)
    assert COLOURS[0].encode() in files["name.svg"]
    assert INK.encode() in files["name.svg"]
    identities = re.findall(r'id="([^"]*)"', inline)
    assert all(one.startswith("name-") for one in identities)
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', inline)) <= set(identities)
    assert draw() == inline
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_series_are_told_apart_without_colour() -> None:
    styles = [style_of(number) for number in range(16)]
    assert len({(one.marker, str(one.line)) for one in styles}) == 16
    assert style_of(0, control=True).colour not in COLOURS


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DeepcutsError, match=r"deepcuts\[report\]"):
        draw_matrix([[None]], ["one"], title="title")


def test_nothing_else_imports_matplotlib() -> None:
    package = Path(deepcuts.__file__).parent
    importing = re.compile(r"^\s*(import|from) matplotlib", re.MULTILINE)
    found = {path.parent for path in package.rglob("*.py") if importing.search(path.read_text("utf-8"))}
    assert found == {package / "report" / "figures"}
