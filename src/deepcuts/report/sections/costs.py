"""What scoring and retraining cost."""

from __future__ import annotations

from collections.abc import Sequence

from deepcuts.report.analysis.results import cost_rows
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.page.parts import Part
from deepcuts.report.page.tables import Entry, Table, number_entry
from deepcuts.report.sections.registry import Material, study_part


@study_part(order=40)
def costs(study: Study, material: Material) -> list[Part]:
    """Batches, passes and seconds of each strategy."""
    rows = cost_rows(study)
    material.add_rows("costs", ({**study.about, **row} for row in rows))
    return [Part("Costs", [], [cost_table(rows)], "A pass is forward and backward over one batch.")]


def cost_table(rows: Sequence[Row]) -> Table:
    """Batches, passes and seconds."""
    columns = ["strategy", "batches scored", "passes", "sweep, s", "scores in that sweep", "retraining, s"]
    columns += ["fine-tuning, s"]
    names = ("batches", "passes", "score_seconds", "shared_by", "retrain_seconds", "finetune_seconds")
    entries = [
        [Entry(row["strategy"]), *(number_entry(row[name], "{:,.0f}") for name in names)] for row in rows
    ]
    return Table("What it cost, means over densities and seeds", columns, entries)
