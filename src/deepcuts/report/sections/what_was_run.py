"""What was run: models, data, settings, versions, machines, and the cells that are missing or failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepcuts.report.analysis import provenance
from deepcuts.report.page.parts import Part, Section
from deepcuts.report.page.tables import NOTHING, Entry, Table
from deepcuts.report.sections.registry import Material, page_section


@page_section(order=20)
def what_was_run(material: Material) -> list[Section]:
    """The facts that every number above depends on."""
    cells, studies = material.cells, material.studies
    material.add_rows("cells", provenance.cell_rows(cells))
    facts = {
        "Models": provenance.model_rows(cells),
        "Data": provenance.data_rows(cells),
        "Settings": provenance.setting_rows(studies),
        "Versions and machines": provenance.environment_rows(cells),
        "Failed cells": provenance.failed_rows(cells),
        "Missing cells": provenance.missing_rows(cells),
    }
    found = {caption: facts_table(caption, rows) for caption, rows in facts.items() if rows}
    for caption in ("Settings", "Versions and machines"):  # a few rows with many columns
        if caption in found:
            found[caption] = turned(found[caption])
    note = "Each cell with its status, options and commit is in tables/cells.csv."
    return [Section("What was run", "what-was-run", [], [Part("", [], list(found.values()), note)])]


def facts_table(caption: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows that share their columns, as they are."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    entries = [
        [
            Entry(f"{row[name]:,}", value=row[name])
            if isinstance(row.get(name), int) and not isinstance(row[name], bool)
            else Entry(NOTHING if row.get(name) is None else str(row[name]))
            for name in columns
        ]
        for row in rows
    ]
    return Table(caption, columns, entries)


def turned(table: Table) -> Table:
    """The table with a column for each row."""
    columns = [table.columns[0], *(row[0].text for row in table.rows)]
    rows = [
        [Entry(name), *(Entry(row[index].text) for row in table.rows)]
        for index, name in enumerate(table.columns[1:], start=1)
    ]
    return Table(table.caption, columns, rows)
