"""An option of scoring is studied apart, against what it leads to at its limits."""

from __future__ import annotations

from deepcuts.report.studies import Study
from deepcuts.report.variants import limits, option_rows, option_studies


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
    assert list(limits("LayerSmoothGradCAM", "noise_std").values()) == ["LayerMagGrad"]
    assert limits("LayerSmoothGrad", "paths") == {}
