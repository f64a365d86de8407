"""Differences are paired: found again by a loop over resampled rows, and Student's t over three seeds."""

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
from deepcuts.report.analysis.intervals import Interval
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
    values = []
    for counts in draw_counts(60, 100):
        drawn = np.repeat(rows, counts)
        each = []
        for seed in range(seeds):
            measured = [
                matthews_corrcoef(one["targets"][drawn], one["retrained"][drawn].argmax(axis=1))
                for one in (said["LayerMagGrad", seed], said["LayerMagWeight", seed])
            ]
            each.append(measured[0] - measured[1])
        values.append(each)
    of_rows = np.mean(values[1:], axis=1)
    assert found.value == pytest.approx(np.mean(values[0]))
    assert found.interval is not None
    if seeds == 2:
        wanted = tuple(np.quantile(of_rows, [0.025, 0.975]))
        assert found.covers == "dev rows"
    else:
        over_seeds = 4.302653 * np.std(values[0], ddof=1) / 3**0.5  # t of 2 degrees of freedom, from a table
        half = (over_seeds**2 + (1.959964 * np.std(of_rows, ddof=1)) ** 2) ** 0.5
        wanted = (found.value - half, found.value + half)
        assert found.covers == "seeds and dev rows"
    assert found.interval[:2] == pytest.approx(wanted)
    assert list(found.by_seed) == list(range(seeds))


def test_pairing_makes_the_interval_of_like_models_narrow(tmp_path: Path) -> None:
    """Equal predictions differ by nothing at all, however few the rows."""
    configs = [configure("stsb", name, 0.3, 0) for name in ("LayerMagGrad", "LayerMagWeight")]
    study = study_of(write_store(tmp_path, configs))
    cells = study.at("LayerMagGrad", study.densities[0])
    found = difference(cells, cells, "retrained", "pearson", replicate(study, 100))
    assert found == Difference(0.0, {0: 0.0}, Interval(0.0, 0.0, "dev rows"))
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
    assert without.within_noise is None, "two seeds and no rows"
    assert without.covers == ""


def test_three_seeds_without_predictions_have_an_interval_over_seeds(tmp_path: Path) -> None:
    configs = [configure("stsb", name, 0.3, seed) for name in ("LayerMagGrad", "Random") for seed in range(3)]
    study = study_of(write_store(tmp_path, configs, predictions=False))
    cells = [study.at(name, study.densities[0]) for name in ("LayerMagGrad", "Random")]
    found = difference(cells[0], cells[1], "retrained", "pearson", replicate(study, 100))
    assert found is not None
    values = list(found.by_seed.values())
    half = 4.302653 * np.std(values, ddof=1) / 3**0.5  # t of 2 degrees of freedom, from a table
    assert found.interval == pytest.approx((np.mean(values) - half, np.mean(values) + half, "seeds"))
    assert found.within_noise is False


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
