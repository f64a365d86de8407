"""Differences are paired: found again by a loop over resampled rows, and over seeds where there are three."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.metrics import matthews_corrcoef
from stores import configure, write_cell, write_store

from deepcuts.common.errors import MismatchError
from deepcuts.common.files import read_json, write_json
from deepcuts.report.analysis.differences import Difference, difference, replicate
from deepcuts.report.analysis.studies import Study, find_studies
from deepcuts.report.cells import load_cell
from deepcuts.runs.grid.records import read_cells
from deepcuts.tasks.resampling import draw_counts


def study_of(store: Path) -> Study:
    return find_studies([load_cell(record) for record in read_cells(store)])[0]


def found_for(study: Study, replicates: int = 100) -> Difference:
    cells = [study.at(name, study.densities[0]) for name in ("LayerMagGrad", "LayerMagWeight")]
    found = difference(cells[0], cells[1], "retrained", study.primary, replicate(study, replicates))
    assert found is not None
    return found


@pytest.mark.parametrize("seeds", [2, 3])
def test_an_interval_is_that_of_a_loop_over_rows_written_out(tmp_path: Path, seeds: int) -> None:
    configs = [
        configure("cola", name, 0.3, seed)
        for name in ("LayerMagGrad", "LayerMagWeight")
        for seed in range(seeds)
    ]
    study = study_of(write_store(tmp_path, configs))
    found = found_for(study)
    rows = np.arange(60)
    said = {
        (cell.strategy, cell.seed): load_file(cell.record.folder / "predictions.safetensors")
        for cell in study.done
    }
    over_seeds = draw_counts(seeds, 100, 1)
    values = []
    for replicate_number, counts in enumerate(draw_counts(60, 100)):
        drawn = np.repeat(rows, counts)
        each = []
        for seed in range(seeds):
            measured = [
                matthews_corrcoef(one["targets"][drawn], one["retrained"][drawn].argmax(axis=1))
                for one in (said["LayerMagGrad", seed], said["LayerMagWeight", seed])
            ]
            each.append(measured[0] - measured[1])
        # Two seeds always count alike; three are drawn anew.
        weights = over_seeds[replicate_number] if seeds == 3 else np.ones(seeds)
        values.append(np.average(each, weights=weights))
    assert found.value == pytest.approx(values[0])
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values[1:], [0.025, 0.975])))
    assert list(found.by_seed) == list(range(seeds))


def test_pairing_makes_the_interval_of_like_models_narrow(tmp_path: Path) -> None:
    """Equal predictions differ by nothing at all, however few the rows."""
    configs = [configure("stsb", name, 0.3, 0) for name in ("LayerMagGrad", "LayerMagWeight")]
    study = study_of(write_store(tmp_path, configs))
    cells = study.at("LayerMagGrad", study.densities[0])
    found = difference(cells, cells, "retrained", "pearson", replicate(study, 100))
    assert found == Difference(0.0, 0.0, 0.0, {0: 0.0})
    assert found.within_noise


def test_only_seeds_that_both_have_are_compared(tmp_path: Path) -> None:
    configs = [configure("stsb", "LayerMagGrad", 0.3, seed) for seed in (0, 1)]
    configs += [configure("stsb", "LayerMagWeight", 0.3, seed) for seed in (1, 2)]
    configs.append(configure("stsb", "Random", 0.3, 5))
    study = study_of(write_store(tmp_path, configs))
    assert list(found_for(study, 100).by_seed) == [1]
    density = study.densities[0]
    cells = [study.at(name, density) for name in ("LayerMagGrad", "Random")]
    assert difference(cells[0], cells[1], "pruned", "pearson", {}) is None
    without = difference(cells[0], cells[0], "pruned", "pearson", {})
    assert without is not None
    assert without.within_noise is None


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    configs = [configure("stsb", name, 0.3, 0) for name in ("LayerMagGrad", "LayerMagWeight")]
    write_cell(tmp_path / "rows", configs[0])
    write_cell(tmp_path / "rows", configs[1], rows=50)
    with pytest.raises(MismatchError, match="dev rows"):
        replicate(study_of(tmp_path / "rows"), 100)
    folder = write_cell(tmp_path / "result", configs[0])
    result = read_json(folder / "result.json")
    result["retrained"]["pearson"] -= 0.01
    write_json(folder / "result.json", result)
    with pytest.raises(MismatchError, match="pearson"):
        replicate(study_of(tmp_path / "result"), 100)
