"""Performance against density and compression, after retraining and before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from deepcuts.report.analysis.results import absent_rows, level_of, performance_rows, performance_table
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.cells import PHASES, Phase, seeds_of
from deepcuts.report.figures import DENSITY, Drawing, Gallery, Level, Series, draw_curves
from deepcuts.report.page.parts import Part
from deepcuts.report.page.tables import NOTHING, Entry, Table, number_entry
from deepcuts.report.sections.registry import Material, study_part
from deepcuts.report.words import (
    absent_text,
    axis_title,
    better,
    interval_text,
    measure_name,
    measure_note,
    measure_title,
    number,
)

COMPRESSION = "compression: parameters of the whole model before / after"


@study_part(order=10)
def performance(study: Study, material: Material) -> list[Part]:
    """Both phases: every measure as curves, and a table with every value and the differences."""
    references = material.references
    rows = {phase: performance_rows(study, phase, material.replicates(study), references) for phase in PHASES}
    material.add_rows("performance", performance_table(study, rows))
    absent = absent_rows(study)

    def drawn(phase: Phase, *axes: str) -> list[Drawing]:
        pairs = product(study.measures, axes)
        return [_figure(study, material.gallery, phase, measure, axis) for measure, axis in pairs]

    return [
        Part(
            "Performance after retraining",
            drawn("retrained", "density", "compression"),
            [results_table(study, "retrained", rows["retrained"], absent, references)],
            f"Measured on dev: {measure_note(study.measures)}. Filled marks are means over seeds, small "
            "open ones single runs; bars go from the least to the greatest. Curves are moved sideways a "
            "little, to hide none.",
        ),
        Part(
            "Performance before retraining",
            drawn("pruned", "density"),
            [results_table(study, "pruned", rows["pruned"], [], references)],
            "The fine-tuned model right after the cut, before anything is rewound or retrained.",
        ),
    ]


def results_table(
    study: Study, phase: Phase, rows: Sequence[Row], absent: Sequence[Row], references: Sequence[str]
) -> Table:
    """Mean ± deviation over seeds with every single value below, and differences to the references."""
    references = [name for name in references if name in study.strategies]
    measures = study.measures
    columns = ["strategy", "density", "compression", "seeds", measures[0], "kept", *measures[1:]]
    columns += [f"{measures[0]} minus {name}" for name in references]
    entries = []
    for row in rows:
        found = [measure_entry(row, name) for name in measures]
        entries.append(
            [
                Entry(row["strategy"], _plateau_text(row["plateau"], phase)),
                number_entry(row["density"], "{:.4g}"),
                number_entry(row["compression"], "{:.2f}"),
                Entry(str(row["seeds"]), absent_text(row["absent"]), row["seeds"]),
                found[0],
                number_entry(row["kept"], "{:.0%}"),
                *found[1:],
                *(_difference(row["differences"].get(name), measures[0]) for name in references),
            ]
        )
    for row in absent:
        budget, none = Entry(row["budget"]), [Entry(NOTHING) for _ in columns[4:]]
        entries.append(
            [Entry(row["strategy"]), budget, Entry(NOTHING), Entry("0", absent_text(row["absent"]), 0), *none]
        )
    after = "after retraining" if phase == "retrained" else "before retraining"
    return Table(f"{study.title}, dev, {after}", columns, entries)


def measure_entry(row: Row, measure: str) -> Entry:
    """Mean ± deviation, below it the single values by seed."""
    mean, deviation, values = row["mean"][measure], row["deviation"][measure], row["values"][measure]
    text = number(mean) if deviation is None else f"{number(mean)} ± {number(deviation)}"
    return Entry(text, " · ".join(map(number, values.values())) if len(values) > 1 else "", mean)


def _plateau_text(seeds: Sequence[int], phase: Phase) -> str:
    """Whose model is as good as constant, so that its measures say nothing, whatever they are."""
    word = "plateau" if phase == "retrained" else "as good as constant"
    return f"{word}: seed {', '.join(map(str, seeds))}" if seeds else ""


def _difference(by_measure: Mapping[str, Any] | None, measure: str) -> Entry:
    if by_measure is None:
        return Entry(NOTHING)
    found = by_measure[measure]
    if found is None:
        return Entry("no common seed")
    text = number(found.value, "+.3f") + (", within noise" if found.within_noise else "")
    return Entry(text, interval_text(found), found.value)


def _figure(study: Study, gallery: Gallery, phase: Phase, measure: str, axis: str) -> Drawing:
    """Figures 6 to 8 of the paper: a measure against density or compression, a curve a strategy."""
    series = []
    for strategy in study.strategies:
        points: dict[float, list[float]] = {}
        for cell in study.done:
            if cell.strategy == strategy:
                at = cell.density if axis == "density" else round(float(cell.found["kept"][axis]), 4)
                points.setdefault(at, []).append(float(cell.found[phase][measure]))
        series.append(Series(strategy, points, gallery.styles[strategy]))
    levels = [
        Level(f"dense model ({_seeds(study)})", level_of(study.done, "dense", measure), "-"),
        Level(study.kind.constant_title, level_of(study.done, "baseline", measure), "--"),
    ]
    figure = draw_curves(
        series,
        title=f"{measure_title(measure)} {PHASES[phase]} ({better(measure)} is better)",
        x_title=DENSITY if axis == "density" else COMPRESSION,
        y_title=axis_title(measure),
        levels=levels,
        logarithmic=axis == "density",
    )
    alt = (
        f"{measure_name(measure)} on dev {PHASES[phase]} against {axis}, {study.title}: one curve each for "
        f"{', '.join(study.strategies)}, with the level of the dense model and of the baseline. "
        "The numbers are in the table of results."
    )
    return gallery.add(figure, f"{study.name}-{phase}-{measure}-{axis}", alt)


def _seeds(study: Study) -> str:
    seeds = seeds_of(study.done)
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean of {len(seeds)} seeds"
