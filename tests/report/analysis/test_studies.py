"""Cells go into one study only where they may be compared."""

from __future__ import annotations

from pathlib import Path

from stores import configure, write_store

from deepcuts.report.analysis.studies import Study, find_studies, missing_of
from deepcuts.report.cells import Cell, load_cell
from deepcuts.runs.grid.records import read_cells


def test_cells_that_differ_in_more_are_kept_apart(cells: list[Cell], studies: list[Study]) -> None:
    titles = ["minilm on cola", "minilm on stsb, rewind pretrained", "minilm on stsb, rewind finetuned"]
    assert [study.title for study in studies] == titles
    assert sum(len(study.usual) + len(study.variants) for study in studies) == len(cells)
    cola, stsb, finetuned = studies
    assert [len(cola.usual), len(stsb.usual), len(finetuned.usual)] == [24, 24, 1]
    assert {cell.options["shift"] for cell in stsb.variants} == {0.0, 1.0, 100.0}
    assert stsb.usual_options["shift"] == 10.0
    assert stsb.measures == ["pearson", "spearman", "mse"]
    assert cola.measures == ["matthews", "accuracy"]
    assert len(cola.done) == 22
    assert missing_of(cola.usual) == {"missing": [1], "failed": [0]}
    assert stsb.strategies == ["LayerMagWeight", "LayerMagGrad", "LayerGradCAMShift", "Random"]


def test_the_usual_value_is_the_most_common_then_the_default(tmp_path: Path) -> None:
    configs = [configure("stsb", "LayerGradCAMShift", 0.3, seed, shift=5.0) for seed in (0, 1)]
    configs += [configure("stsb", "LayerGradCAMShift", 0.3, seed) for seed in (0, 1)]
    study = find_studies(
        [load_cell(record) for record in read_cells(write_store(tmp_path / "tie", configs))]
    )[0]
    assert study.usual_options["shift"] == 10.0
    more = write_store(
        tmp_path / "more", [*configs, configure("stsb", "LayerGradCAMShift", 0.1, 0, shift=5.0)]
    )
    study = find_studies([load_cell(record) for record in read_cells(more)])[0]
    assert study.usual_options["shift"] == 5.0
    assert {cell.options["shift"] for cell in study.variants} == {10.0}
