"""An option of scoring is studied apart, against what it leads to at its limits."""

from __future__ import annotations

from dataclasses import replace

from deepcuts.report.analysis.option_studies import limits, option_rows, option_studies
from deepcuts.report.analysis.studies import Study


def test_an_option_is_studied_against_its_limits(studies: list[Study]) -> None:
    study = studies[1]
    (found,) = option_studies(study)
    assert (found.strategy, found.option, list(found.cells)) == (
        "LayerGradCAMShift", "shift", [0.0, 1.0, 10.0, 100.0],
    )  # fmt: skip
    assert all(len(cells) == 2 for cells in found.cells.values())
    rows = option_rows(found, study.measures)
    near = [row["kept IoU with LayerMagGrad (λ → ∞)"] for row in rows]
    assert near == sorted(near)
    assert near[0] < 0.2 < 0.7 < near[-1]
    assert rows[0]["kept IoU with LayerGradCAMShift (λ = 0)"] == 1
    assert limits("GlobalSmoothGradCAMShift", "shift") == {
        "GlobalSmoothGrad (λ → ∞)": "GlobalSmoothGrad",
        "GlobalSmoothGradCAM (λ = 0)": "GlobalSmoothGradCAM",
    }
    assert limits("LayerSmoothGradCAM", "noise_std") == {"LayerGradCAM (no noise)": "LayerGradCAM"}
    assert limits("LayerSmoothGrad", "noise_std") == {"LayerMagGrad (no noise)": "LayerMagGrad"}
    assert limits("LayerSmoothGrad", "paths") == {}


def test_values_are_compared_over_the_seeds_that_all_have(studies: list[Study]) -> None:
    study = studies[1]
    (whole,) = option_studies(study)
    left = [cell for cell in study.variants if (cell.options.get("shift"), cell.seed) != (1.0, 1)]
    (found,) = option_studies(replace(study, variants=left))
    assert {cell.seed for cells in found.cells.values() for cell in cells} == {0}
    assert {cell.seed for cells in found.references.values() for cell in cells} == {0}
    assert {cell.seed for cells in whole.references.values() for cell in cells} == {0, 1}
    # Without a seed that all values have, nothing is left out.
    none = [cell for cell in left if (cell.options.get("shift"), cell.seed) != (100.0, 0)]
    (apart,) = option_studies(replace(study, variants=none))
    assert {value: {cell.seed for cell in cells} for value, cells in apart.cells.items()} == {
        0.0: {0, 1}, 1.0: {0}, 10.0: {0, 1}, 100.0: {1},
    }  # fmt: skip
