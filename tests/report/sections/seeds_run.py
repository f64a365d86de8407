"""A choice from outside of the package: a part of each study's chapter, and a chapter of the page."""

from __future__ import annotations

from deepcuts.report.analysis.studies import Study
from deepcuts.report.cells import seeds_of
from deepcuts.report.page.parts import Part, Section
from deepcuts.report.page.tables import Entry, Table
from deepcuts.report.sections import Material, page_section, study_part


@study_part(order=25)
def seeds_run(study: Study, material: Material) -> list[Part]:
    """Which seeds were run."""
    rows = [{**study.about, "seed": seed} for seed in seeds_of(study.done)]
    material.add_rows("seeds", rows)
    table = Table("Seeds", ["seed"], [[Entry(str(row["seed"]))] for row in rows])
    return [Part("Seeds that were run", [], [table], "Made by a plugin.")]


@page_section(order=15)
def thanks(material: Material) -> list[Section]:
    """A chapter of one sentence."""
    return [Section("Thanks", "thanks", [], [Part("", [], [], f"To {len(material.cells)} cells.")])]
