"""The numbers of a study, found again by hand from the results of its cells."""

from __future__ import annotations

import statistics

import pytest

from deepcuts.report.analysis.differences import replicate
from deepcuts.report.analysis.results import (
    absent_rows,
    collapse_rows,
    cost_rows,
    is_collapsed,
    kept_share,
    pareto_rows,
    performance_rows,
)
from deepcuts.report.analysis.studies import Study
from deepcuts.report.cells import Cell
from deepcuts.report.summary import summarise


def values(cells: list[Cell], measure: str, phase: str = "retrained") -> list[float]:
    return [cell.found[phase][measure] for cell in cells]


def test_means_deviations_and_what_is_missing(studies: list[Study]) -> None:
    cola = studies[0]
    rows = performance_rows(cola, "retrained", replicate(cola, 100), ["LayerMagWeight", "LayerMagGrad"])
    assert len(rows) == 12
    by_name = {(row["strategy"], round(row["density"], 2)): row for row in rows}
    row = by_name["LayerGradCAMShift", 0.36]
    single = values(cola.at("LayerGradCAMShift", row["density"]), "matthews")
    assert list(row["values"]["matthews"].values()) == single
    assert row["mean"]["matthews"] == pytest.approx(statistics.mean(single))
    assert row["deviation"]["matthews"] == pytest.approx(statistics.stdev(single))
    assert row["absent"] == {}
    other = values(cola.at("LayerMagWeight", row["density"]), "matthews")
    found = row["differences"]["LayerMagWeight"]["matthews"]
    assert found.value == pytest.approx(statistics.mean(single) - statistics.mean(other))
    assert found.interval.low < found.value < found.interval.high
    assert found.covers == "dev rows"
    assert by_name["LayerMagWeight", 0.05]["absent"] == {"failed": [0]}
    assert by_name["LayerMagWeight", 0.15]["absent"] == {"missing": [1]}
    assert by_name["LayerMagWeight", 0.15]["deviation"]["matthews"] is None
    assert "LayerMagWeight" not in by_name["LayerMagWeight", 0.36]["differences"]
    assert absent_rows(cola) == []


def test_kept_shares_and_the_smallest_density(studies: list[Study]) -> None:
    stsb = studies[1]
    cell = stsb.done[0]
    base, dense, got = (cell.found[part]["pearson"] for part in ("baseline", "dense", "retrained"))
    assert base == 0
    assert kept_share(cell, "retrained") == pytest.approx(got / dense)
    for row in pareto_rows(stsb):
        for level, density in row["smallest"].items():
            means = {
                d: statistics.mean(kept_share(cell, "retrained") or 0 for cell in stsb.at(row["strategy"], d))
                for d in stsb.densities
            }
            reached = [d for d, mean in means.items() if mean >= level]
            assert density == (reached[0] if reached else None)
    smallest = {row["strategy"]: row["smallest"][0.8] for row in pareto_rows(stsb)}
    assert smallest["Random"] is None
    assert smallest["LayerMagGrad"] is not None


def test_a_collapsed_run_is_seen_and_counted(studies: list[Study]) -> None:
    cola = studies[0]
    collapsed = [cell for cell in cola.done if is_collapsed(cell)]
    constant = [cell for cell in cola.done if cell.strategy == "Random" and cell.seed == 0]
    # Predictions without any spread, where the store was told so; others are as bad as a constant by chance.
    assert constant[0] in collapsed
    for cell in collapsed:
        assert cell.found["retrained"]["matthews"] <= 2 / cell.found["task"]["dev_rows"] ** 0.5
    counted = {row["strategy"]: row["collapsed"] for row in collapse_rows(cola)}
    assert sum(number for each in counted.values() for number, _ in each.values()) == len(collapsed)
    assert sum(total for each in counted.values() for _, total in each.values()) == len(cola.done)


def test_costs_are_those_in_the_results(studies: list[Study]) -> None:
    rows = {row["strategy"]: row for row in cost_rows(studies[1])}
    assert rows["LayerMagGrad"]["passes"] == rows["LayerMagGrad"]["batches"] == 1000
    assert rows["Random"]["passes"] == 0
    assert rows["Random"]["retrain_seconds"] == 80.75


def test_the_summary_says_what_the_numbers_say(studies: list[Study]) -> None:
    stsb = studies[1]
    replicates = replicate(stsb, 200)
    sentences = summarise(stsb, replicates)
    assert len(sentences) == 2 + len(stsb.densities)
    dense = statistics.mean({cell.seed: cell.found["dense"]["pearson"] for cell in stsb.done}.values())
    assert f"{dense:.3f}" in sentences[0]
    for density, sentence in zip(reversed(stsb.densities), sentences[1:-1], strict=True):
        means = {
            name: statistics.mean(values(stsb.at(name, density), "pearson"))
            for name in stsb.strategies
            if name != "Random"
        }
        best = max(means, key=lambda name: means[name])
        assert sentence.startswith(
            f"Density {density:.3g}: {best} has the best mean, {means[best]:.3f} (2 seeds)"
        )
        assert "beyond noise" not in sentence, "two seeds are too few"
        different = sentence.partition("beyond the choice of dev rows (too few seeds to say more): ")[2]
        assert "Random (control) −" in different
        candidates = len(means)
        assert f"chosen after the fact, as the best of {candidates}." in sentence
        pairs = candidates * (candidates - 1) // 2 + candidates  # with one control
        level = float(sentence.partition("Intervals are ")[2].partition("%")[0])
        assert level == pytest.approx(100 - 5 / pairs, abs=0.05)
    assert "(one seed)" in summarise(studies[2], replicate(studies[2], 100))[1]
