"""A report's folder: what is in it, that it is the same each time, and that nothing else is replaced."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from stores import configure, write_store

from deepcuts.common.errors import InputError
from deepcuts.masks.bits import MaskBits
from deepcuts.report import write_report
from deepcuts.report.analysis import count_overlap
from deepcuts.report.analysis.studies import Study
from deepcuts.report.cells import Cell


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_and_figure_is_there(built: Path) -> None:
    assert {path.stem for path in (built / "tables").iterdir()} == {
        "cells", "performance", "pareto", "collapsed", "costs", "options", "overlap", "overlap_by_layer",
        "overlap_of_seeds", "overlap_of_tasks",
    }  # fmt: skip
    pictures = {path.stem for path in (built / "figures").glob("*.png")}
    assert pictures == {path.stem for path in (built / "figures").glob("*.svg")}
    for name in (
        "minilm-cola-retrained-accuracy-compression",
        "minilm-stsb-rewind-pretrained-pruned-mse-density",
        "minilm-stsb-rewind-pretrained-pareto",
        "minilm-stsb-rewind-pretrained-overlap-iou-0.1471",
        "minilm-stsb-rewind-pretrained-layers-LayerMagGrad-feed-forward-0.05037",
        "minilm-stsb-rewind-pretrained-shift-LayerGradCAMShift-0.1471-masks",
        "minilm-stsb-rewind-pretrained-seeds",
        "minilm-tasks",
    ):
        assert name in pictures, name


def test_variants_are_in_no_curve(built: Path, cells: list[Cell]) -> None:
    """The table of performance has every cell with the usual options, and no other."""
    rows = [row for row in table(built, "performance") if row["measure"] in ("matthews", "pearson")]
    rows = [row for row in rows if row["phase"] == "after retraining"]
    found = sorted(value for row in rows for value in row["values"].split())
    usual = [cell for cell in cells if cell.result and cell.options.get("shift", 10.0) == 10.0]
    assert found == sorted(f"{cell.found['retrained'][cell.found['task']['primary']]:.6f}" for cell in usual)


def test_overlaps_in_the_tables_are_those_of_the_masks(built: Path, studies: list[Study]) -> None:
    stsb = studies[1]
    density = stsb.densities[1]
    (row,) = [
        row
        for row in table(built, "overlap")
        if (row["task"], row["first"], row["second"]) == ("stsb", "LayerMagGrad", "LayerGradCAMShift")
        and row["setting"] == "rewind pretrained"
        and float(row["density"]) == density
    ]
    means, least = [], []
    for seed in (0, 1):
        masks = [
            MaskBits.load(stsb.at(name, density)[seed].mask_file)
            for name in ("LayerMagGrad", "LayerGradCAMShift")
        ]
        shares = [one.kept_iou for one in count_overlap(*masks).values()]
        means.append(sum(shares) / len(shares))
        least.append(min(shares))
    assert float(row["kept_iou_mean"]) == pytest.approx(sum(means) / 2)
    assert float(row["kept_iou_minimum"]) == pytest.approx(sum(least) / 2)
    layers = [row for row in table(built, "overlap_by_layer") if row["task"] == "stsb"]
    assert {(row["layer"], row["block"]) for row in layers} == {
        (layer, block) for layer in "01" for block in ("attention", "feed-forward")
    }


def test_the_same_cells_give_the_same_bytes(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", [configure("cola", "LayerMagGrad", 0.3, 0)])
    found = []
    for _ in range(2):  # the second replaces the first
        write_report(store, tmp_path / "out", replicates=100)
        files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        found.append({path: path.read_bytes() for path in files})
    assert found[0].keys() == found[1].keys()
    for path, content in found[0].items():
        assert content == found[1][path], path.name


def test_what_a_report_can_not_be_made_of_is_refused(tmp_path: Path) -> None:
    config = configure("stsb", "Random", 0.3, 0)
    store = write_store(tmp_path / "store", [config], grid="one")
    (tmp_path / "mine" / "figures").mkdir(parents=True)
    (tmp_path / "file").touch()
    for given, message in [
        ((tmp_path / "nowhere", tmp_path / "out", {}), "store: got"),
        ((store, tmp_path / "out", {"grid": "two"}), "one"),
        ((store, tmp_path / "out", {"reference": "LayerMagWeigth"}), "LayerMagWeight"),
        ((store, tmp_path / "out", {"replicates": 5}), "100 or more"),
        ((store, tmp_path / "out", {"seed": -1}), "seed: got -1"),
        ((store, tmp_path / "mine", {}), "'figures' is no report's"),
        ((store, tmp_path / "file", {}), "folder"),
    ]:
        with pytest.raises(InputError, match=message):
            write_report(given[0], given[1], **given[2])
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "mine").iterdir()) == [tmp_path / "mine" / "figures"]


def test_a_store_of_one_control_alone_is_reported_too(tmp_path: Path) -> None:
    store = write_store(
        tmp_path / "store", [configure("cola", "Random", 0.3, 0)], collapsed=True, predictions=False
    )
    page = write_report(store, tmp_path / "out", replicates=100).read_text(encoding="utf-8")
    assert "Of 1 retrained runs, 1 ended as good as constant" in page
