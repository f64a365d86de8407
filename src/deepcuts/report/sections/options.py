"""Options of scoring that were varied: performance and masks against their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from deepcuts.report.analysis.option_studies import OptionStudy, option_rows, option_studies
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.cells import PHASES
from deepcuts.report.figures import OVERLAP, Drawing, Gallery, Level, Series, draw_curves, style_of
from deepcuts.report.page.parts import Part
from deepcuts.report.page.tables import NOTHING, Entry, Table, number_entry
from deepcuts.report.sections.registry import Material, study_part
from deepcuts.report.words import axis_title, measure_name


@study_part(order=70, of_variants=True)
def options(study: Study, material: Material) -> list[Part]:
    """A part for each strategy, density and option that was varied alone."""
    parts = []
    for found in option_studies(study):
        rows = option_rows(found, study.measures)
        material.add_rows("options", ({**study.about, **row} for row in rows))
        about = f"{found.strategy} against {found.title}, density {found.density:.3g}"
        parts.append(
            Part(
                f"Option: {about}",
                _figures(study, material.gallery, found),
                [option_table(f"{about}; means over seeds", rows)],
                "All else is equal. Masks are compared at the same density and seed. These cells are in no "
                f"other figure, except those at the usual value, {found.usual:g}.",
            )
        )
    return parts


def option_table(title: str, rows: Sequence[Row]) -> Table:
    """An option's values with measures and overlaps."""
    names = [name for name in rows[0] if name not in ("strategy", "density", "option")]
    names += [name for row in rows for name in row if name not in (*names, *rows[0])]
    entries = [
        [
            number_entry(row[name], "{:g}" if name == "value" else "{:.3f}")
            if isinstance(row.get(name), (int, float))
            else Entry(str(row.get(name, NOTHING)))
            for name in names
        ]
        for row in rows
    ]
    return Table(title, names, entries)


def _figures(study: Study, gallery: Gallery, found: OptionStudy) -> list[Drawing]:
    """A measure against an option of scoring, and the overlap of the masks with those at its limits."""
    positions = {value: float(position) for position, value in enumerate(found.cells)}
    names = {
        position: f"{value:g}" + (" (usual)" if value == found.usual else "")
        for value, position in positions.items()
    }
    stem = f"{study.name}-{found.option}-{found.strategy}-{found.density:.4g}"
    about = f"{found.strategy} at density {found.density:.3g}"
    x_title = f"{found.title} (values evenly spaced)"
    drawings = []
    for measure in study.measures:
        series = [
            Series(
                PHASES[phase],
                {
                    positions[value]: [float(cell.found[phase][measure]) for cell in cells]
                    for value, cells in found.cells.items()
                },
                style_of(number),
            )
            for number, phase in enumerate(PHASES)
        ]
        levels = [
            Level(f"{label}, retrained", fmean(float(c.found["retrained"][measure]) for c in cells), line)
            for (label, cells), line in zip(found.references.items(), ("--", ":"), strict=False)
        ]
        figure = draw_curves(
            series,
            title=about,
            x_title=x_title,
            y_title=axis_title(measure),
            levels=levels,
            x_names=names,
        )
        alt = (
            f"{measure_name(measure)} of {about} against {found.title}, pruned and retrained, {study.title}."
        )
        drawings.append(gallery.add(figure, f"{stem}-{measure}", alt))
    drawings += _masks(gallery, found, positions, names, stem, about, x_title)
    return drawings


def _masks(
    gallery: Gallery,
    found: OptionStudy,
    positions: Mapping[Any, float],
    names: Mapping[float, str],
    stem: str,
    about: str,
    x_title: str,
) -> list[Drawing]:
    series, chances = [], []
    for number, label in enumerate(found.references):
        overlaps = found.overlaps(label)
        points = {positions[value]: [iou for iou, _ in each] for value, each in overlaps.items()}
        chances += [chance for each in overlaps.values() for _, chance in each]
        if points:
            series.append(Series(f"with {label}", points, style_of(number + 2)))
    if not series:
        return []
    figure = draw_curves(
        series,
        title=f"Masks of {about}",
        x_title=x_title,
        y_title=OVERLAP,
        levels=[Level("by chance", fmean(chances))],
        x_names=names,
        limits=(-0.02, 1.02),
    )
    alt = f"Overlap of the masks of {about} with {', '.join(found.references)}, against {found.title}."
    return [gallery.add(figure, f"{stem}-masks", alt)]
