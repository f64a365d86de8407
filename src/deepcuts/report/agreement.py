"""Overlap between masks of one strategy, from other seeds or tasks: as figure, table and rows of a file."""

from __future__ import annotations

from collections.abc import Sequence

from deepcuts.report.analysis.studies import Row
from deepcuts.report.analysis.study_overlaps import overlap_columns
from deepcuts.report.cells import strategy_order
from deepcuts.report.figures import DENSITY, OVERLAP, Drawing, Gallery, Level, Series, draw_curves
from deepcuts.report.page.tables import Entry, Table, number_entry


def agreement_figure(gallery: Gallery, rows: Sequence[Row], name: str, title: str) -> Drawing:
    """Overlap between masks of one strategy, from other seeds or tasks, against density."""
    points: dict[str, dict[float, list[float]]] = {}
    for row in rows:
        points.setdefault(row["strategy"], {})[row["density"]] = [row["overlap"].overall]
    chances = {row["density"]: row["overlap"].overall_chance for row in rows}
    figure = draw_curves(
        [Series(one, points[one], gallery.styles[one]) for one in sorted(points, key=strategy_order)],
        title=title,
        x_title=DENSITY,
        y_title=OVERLAP,
        levels=[Level("by chance", dict(sorted(chances.items())))],
        logarithmic=True,
        limits=(-0.02, 1.02),
    )
    return gallery.add(figure, name, f"{title}, against density: {', '.join(points)}, and the chance level.")


def agreement_table(rows: Sequence[Row], caption: str) -> Table:
    """Overlap between seeds or tasks."""
    with_tasks = any("kept_by_all" in row for row in rows)
    columns = ["strategy", "density", "seeds", "IoU", "by chance", "mean over tensors", "least", "kappa"]
    columns += ["kept by all", "by chance"] if with_tasks else []
    entries = []
    for row in rows:
        overlap = row["overlap"]
        numbers = (overlap.overall, overlap.overall_chance, overlap.mean, overlap.minimum, overlap.kappa)
        entry = [
            Entry(row["strategy"]),
            number_entry(row["density"], "{:.4g}"),
            Entry(str(len(row["seeds"]))),
        ]
        entry += [number_entry(value, "{:.3f}") for value in numbers]
        if with_tasks:
            entry += [number_entry(row[name], "{:,.0f}") for name in ("kept_by_all", "expected_by_chance")]
        entries.append(entry)
    return Table(caption, columns, entries)


def agreement_rows(rows: Sequence[Row], about: Row) -> list[Row]:
    """The same flattened for a file, each row with `about` in front."""
    return [
        {
            **about,
            "strategy": row["strategy"],
            "density": row["density"],
            "seeds": " ".join(map(str, row["seeds"])),
            **overlap_columns(row["overlap"]),
            **{name: row[name] for name in ("weights", "kept_by_all", "expected_by_chance") if name in row},
        }
        for row in rows
    ]
