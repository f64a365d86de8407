"""Overlap of one strategy's masks between tasks."""

from __future__ import annotations

from deepcuts.report.agreement import agreement_figure, agreement_rows, agreement_table
from deepcuts.report.analysis.study_overlaps import task_overlaps
from deepcuts.report.page.parts import Part, Section
from deepcuts.report.sections.registry import Material, page_section


@page_section(order=10)
def overlap_of_tasks(material: Material) -> list[Section]:
    """A part for each model that was cut for two tasks or more."""
    rows = task_overlaps(material.studies)
    parts = []
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        names = " and ".join(mine[0]["tasks"])
        material.add_rows("overlap_of_tasks", agreement_rows(mine, {"model": model, "tasks": names}))
        name = f"{model.lower().replace('/', '-')}-tasks"
        caption = "One strategy, seed and density; mean over seeds and pairs of tasks"
        parts.append(
            Part(
                f"{model}: {names}",
                [agreement_figure(material.gallery, mine, name, "Same strategy and seed, other task")],
                [agreement_table(mine, caption)],
                "Kept by all: how many weights the masks of all these tasks keep, beside chance.",
            )
        )
    return [Section("Overlap of masks between tasks", "tasks", [], parts)] if parts else []
