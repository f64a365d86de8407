"""Rows of numbers as tables of a page: text, with a value to sort by where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcuts.report.analysis.results import LEVELS
from deepcuts.report.analysis.studies import Study
from deepcuts.report.analysis.study_overlaps import Row
from deepcuts.report.cells import Phase
from deepcuts.report.summary import interval_text, number
from deepcuts.tasks import described

NOTHING = "–"


@dataclass(frozen=True)
class Entry:
    """One entry of a table: text, a smaller text below it, and what it is sorted by (None: its text)."""

    text: str
    below: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of a page; the first entry of a row names it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Entry]]


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
                Entry(row["strategy"], _plateau_text(row["plateau"])),
                _number(row["density"], "{:.4g}"),
                _number(row["compression"], "{:.2f}"),
                Entry(str(row["seeds"]), absent_text(row["absent"]), row["seeds"]),
                found[0],
                _number(row["kept"], "{:.0%}"),
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


def cost_table(rows: Sequence[Row]) -> Table:
    """Batches, passes and seconds."""
    columns = ["strategy", "batches scored", "passes", "sweep, s", "scores in that sweep", "retraining, s"]
    columns += ["fine-tuning, s"]
    names = ("batches", "passes", "score_seconds", "shared_by", "retrain_seconds", "finetune_seconds")
    entries = [[Entry(row["strategy"]), *(_number(row[name], "{:,.0f}") for name in names)] for row in rows]
    return Table("What it cost, means over densities and seeds", columns, entries)


def agreement_table(rows: Sequence[Row], caption: str) -> Table:
    """Overlap between seeds or tasks."""
    with_tasks = any("kept_by_all" in row for row in rows)
    columns = ["strategy", "density", "seeds", "IoU", "by chance", "mean over tensors", "least", "kappa"]
    columns += ["kept by all", "by chance"] if with_tasks else []
    entries = []
    for row in rows:
        overlap = row["overlap"]
        numbers = (overlap.overall, overlap.overall_chance, overlap.mean, overlap.minimum, overlap.kappa)
        entry = [Entry(row["strategy"]), _number(row["density"], "{:.4g}"), Entry(str(len(row["seeds"])))]
        entry += [_number(value, "{:.3f}") for value in numbers]
        if with_tasks:
            entry += [_number(row[name], "{:,.0f}") for name in ("kept_by_all", "expected_by_chance")]
        entries.append(entry)
    return Table(caption, columns, entries)


def option_table(title: str, rows: Sequence[Row]) -> Table:
    """An option's values with measures and overlaps."""
    names = [name for name in rows[0] if name not in ("strategy", "density", "option")]
    names += [name for row in rows for name in row if name not in (*names, *rows[0])]
    entries = [
        [
            _number(row[name], "{:g}" if name == "value" else "{:.3f}")
            if isinstance(row.get(name), (int, float))
            else Entry(str(row.get(name, NOTHING)))
            for name in names
        ]
        for row in rows
    ]
    return Table(title, names, entries)


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
        [Entry(name), *(Entry(row[place].text) for row in table.rows)]
        for place, name in enumerate(table.columns[1:], start=1)
    ]
    return Table(table.caption, columns, rows)


def measure_note(measures: Sequence[str]) -> str:
    """The measures in full."""
    return "; ".join(described(name).title for name in measures)


def absent_text(absent: Mapping[str, Sequence[int]]) -> str:
    """Which seeds are missing or failed, such as ``"missing: seed 1"``."""
    return "; ".join(f"{status}: seed {', '.join(map(str, seeds))}" for status, seeds in absent.items())


def _plateau_text(seeds: Sequence[int]) -> str:
    """Whose retraining ended as good as constant."""
    return f"plateau: seed {', '.join(map(str, seeds))}" if seeds else ""


def _difference(by_measure: Mapping[str, Any] | None, measure: str) -> Entry:
    if by_measure is None:
        return Entry(NOTHING)
    found = by_measure[measure]
    if found is None:
        return Entry("no common seed")
    text = number(found.value, "+.3f") + (", within noise" if found.within_noise else "")
    return Entry(text, interval_text(found), found.value)


def _number(value: float | None, form: str) -> Entry:
    return (
        Entry(NOTHING)
        if value is None
        else Entry(form.format(value).replace("-", "\N{MINUS SIGN}"), value=float(value))
    )
