"""How much of the dense model's performance is kept, for how few weights."""

from __future__ import annotations

from collections.abc import Sequence

from deepcuts.report.analysis.results import LEVELS, kept_share, pareto_rows
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.figures import DENSITY, Drawing, Gallery, Level, Series, draw_curves
from deepcuts.report.page.parts import Part
from deepcuts.report.page.tables import Entry, Table
from deepcuts.report.sections.registry import Material, study_part
from deepcuts.report.words import measure_title


@study_part(order=20)
def kept(study: Study, material: Material) -> list[Part]:
    """Share of performance kept against density, and the smallest density for each level."""
    rows = pareto_rows(study)
    material.add_rows(
        "pareto",
        (
            {**study.about, "strategy": row["strategy"]}
            | {f"smallest density that keeps {level:.0%}": found for level, found in row["smallest"].items()}
            for row in rows
        ),
    )
    return [
        Part(
            "How much is kept for how few weights",
            _figure(study, material.gallery),
            [pareto_table(rows)],
            "0% is the constant baseline, 100% the dense model of the same seed. Where that is no better "
            "than the baseline there is no share to speak of.",
        )
    ]


def pareto_table(rows: Sequence[Row]) -> Table:
    """The smallest density that keeps each level."""
    columns = ["strategy", *(f"keeps {level:.0%}" for level in LEVELS)]
    entries = [
        [
            Entry(row["strategy"]),
            *(
                Entry("not reached", value=2) if found is None else Entry(f"{found:.4g}", value=found)
                for found in row["smallest"].values()
            ),
        ]
        for row in rows
    ]
    return Table("Smallest density measured whose mean over seeds keeps that share", columns, entries)


def _figure(study: Study, gallery: Gallery) -> list[Drawing]:
    """Share of the dense model's performance kept, against the share of weights kept.

    Nothing is drawn where no dense model is better than a constant: there is nothing to have a share of.
    """
    series = []
    for strategy in study.strategies:
        points: dict[float, list[float]] = {}
        for cell in study.done:
            share = kept_share(cell, "retrained")
            if cell.strategy == strategy and share is not None:
                points.setdefault(cell.density, []).append(100 * share)
        if points:
            series.append(Series(strategy, points, gallery.styles[strategy]))
    lines = ("-", "--", ":")
    if not series:
        return []
    levels = [Level(f"{level:.0%}", 100 * level, line) for level, line in zip(LEVELS, lines, strict=True)]
    figure = draw_curves(
        series,
        title=f"{measure_title(study.primary)} kept after retraining",
        x_title=DENSITY,
        y_title="share of dense performance\nabove the baseline, %",
        levels=levels,
        logarithmic=True,
    )
    alt = (
        f"Share of the dense model's {study.primary} above the baseline that is kept, against density, "
        f"{study.title}; lines mark {', '.join(f'{level:.0%}' for level in LEVELS)}."
    )
    return [gallery.add(figure, f"{study.name}-pareto", alt)]
