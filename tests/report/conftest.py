"""The small store of made-up cells, and what a report sees in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import small_store

from deepcuts.report import write_report
from deepcuts.report.analysis.studies import Study, find_studies
from deepcuts.report.cells import Cell, load_cell
from deepcuts.runs.grid.records import read_cells


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_store(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def cells(store: Path) -> list[Cell]:
    return [load_cell(record) for record in read_cells(store, "small")]


@pytest.fixture(scope="session")
def studies(cells: list[Cell]) -> list[Study]:
    """CoLA, STS-B, and STS-B rewound to the fine-tuned weights."""
    return find_studies(cells)


@pytest.fixture(scope="session")
def built(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on it."""
    folder = tmp_path_factory.mktemp("built")
    write_report(store, folder, grid="small", replicates=100)
    return folder
