"""Overlap of one strategy's masks between seeds."""

from __future__ import annotations

from deepcuts.report.agreement import agreement_figure, agreement_rows, agreement_table
from deepcuts.report.analysis.studies import Study
from deepcuts.report.analysis.study_overlaps import seed_overlaps
from deepcuts.report.page.parts import Part
from deepcuts.report.sections.registry import Material, study_part


@study_part(order=60)
def overlap_of_seeds(study: Study, material: Material) -> list[Part]:
    """Every strategy and density that was run with two seeds or more."""
    rows = seed_overlaps(study)
    if not rows:
        return []
    material.add_rows("overlap_of_seeds", agreement_rows(rows, study.about))
    title = "Same strategy, other seed"
    return [
        Part(
            "Overlap of masks between seeds",
            [agreement_figure(material.gallery, rows, f"{study.name}-seeds", title)],
            [agreement_table(rows, "One strategy, two seeds; mean over pairs of seeds")],
            "Another seed means other batches, another order of training, and another fine-tuned model.",
        )
    ]
