"""Retrained runs that ended as good as constant."""

from __future__ import annotations

from collections.abc import Sequence

from deepcuts.report.analysis.results import collapse_rows
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.page.parts import Part
from deepcuts.report.page.tables import NOTHING, Entry, Table
from deepcuts.report.sections.registry import Material, study_part
from deepcuts.tasks.kinds.measure import NEAR_CONSTANT


@study_part(order=30)
def collapsed(study: Study, material: Material) -> list[Part]:
    """How many runs of each strategy and density collapsed."""
    rows = collapse_rows(study)
    material.add_rows(
        "collapsed",
        (
            {
                **study.about,
                "strategy": row["strategy"],
                "density": density,
                "collapsed": count,
                "runs": runs,
            }
            for row in rows
            for density, (count, runs) in row["collapsed"].items()
        ),
    )
    return [
        Part(
            "Collapsed runs",
            [],
            [collapse_table(rows, study.densities)],
            f"A retrained run counts as good as constant if its {study.primary} is above a constant's by no "
            f"more than chance brings (two standard errors, at least {NEAR_CONSTANT})"
            + (f", or if {signs}" if (signs := study.kind.constant_signs) else "")
            + ". It lies on a plateau that it left too late, or that its cut left no way off. What to try: "
            "rewinding to the fine-tuned values (rewind: finetuned), warm-up, more epochs, another seed.",
        )
    ]


def collapse_table(rows: Sequence[Row], densities: Sequence[float]) -> Table:
    """How many runs collapsed, a column a density."""
    entries = [
        [
            Entry(row["strategy"]),
            *(
                Entry(f"{row['collapsed'][density][0]} of {row['collapsed'][density][1]}",
                      value=row["collapsed"][density][0] / row["collapsed"][density][1])
                if density in row["collapsed"] else Entry(NOTHING)
                for density in densities
            ),
        ]
        for row in rows
    ]  # fmt: skip
    columns = ["strategy", *(f"density {density:.4g}" for density in densities)]
    return Table("Retrained runs that ended as good as constant", columns, entries)
