"""Overlap of masks between strategies, as a whole and by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from deepcuts.report.analysis.studies import Study
from deepcuts.report.analysis.study_overlaps import (
    BLOCKS,
    Overlap,
    layer_densities,
    overlap_columns,
    pairs_with,
    strategy_overlaps,
)
from deepcuts.report.cells import strategy_order
from deepcuts.report.figures import OVERLAP, Drawing, Gallery, Level, Series, draw_curves, draw_matrix
from deepcuts.report.page.parts import Part
from deepcuts.report.sections.registry import Material, study_part

#: (first, second) → overlap.
Pairs = Mapping[tuple[str, str], Overlap]


@study_part(order=50)
def overlap_of_strategies(study: Study, material: Material) -> list[Part]:
    """Every pair of strategies at each density, and the references by layer."""
    overlaps = {density: strategy_overlaps(study, density) for density in study.densities}
    pairs = {density: found for density, (found, _) in overlaps.items() if found}
    if not pairs:
        return []
    for density, found in pairs.items():
        _add_rows(study, material, density, found)
    counts = sorted({len(seeds) for density, (_, seeds) in overlaps.items() if density in pairs})
    parts = [
        Part(
            "Overlap of masks between strategies",
            [one for density in pairs for one in _matrices(study, material.gallery, density, pairs[density])],
            [],
            "Overlap is intersection over union of kept weights. Left, above the diagonal, its mean over "
            "tensors; below it, the least of any tensor. Right, above the diagonal, Cohen's kappa (0 by "
            f"chance); below it, the mean overlap by chance. Means over {_seeds(counts)}. Usual options "
            "only. Columns have the numbers of rows.",
        )
    ]
    shown = [name for name in material.references if name in study.strategies]
    complete = {density: pairs.get(density, {}) for density in study.densities}
    drawn = [one for name in shown for one in _layers(study, material.gallery, name, complete)]
    if drawn:
        parts.append(
            Part(
                "Overlap by layer",
                drawn,
                [],
                f"Pairs with {' and with '.join(shown)} at the two densities nearest to the paper's; "
                "controls are left out. Every pair and density is in tables/overlap_by_layer.csv.",
            )
        )
    return parts


def _add_rows(study: Study, material: Material, density: float, pairs: Pairs) -> None:
    for (first, second), overlap in pairs.items():
        about = {**study.about, "density": density, "first": first, "second": second}
        material.add_rows("overlap", [{**about, **overlap_columns(overlap)}])
        material.add_rows(
            "overlap_by_layer",
            (
                {**about, "layer": layer, "block": block, "kept_iou": iou, "kept_iou_by_chance": chance}
                for (layer, block), (iou, chance) in overlap.blocks.items()
            ),
        )


def _matrices(study: Study, gallery: Gallery, density: float, overlaps: Pairs) -> list[Drawing]:
    """Figure 9 of the paper: mean over tensors and, below the diagonal, minimum; kappa and chance."""
    names = sorted({name for pair in overlaps for name in pair}, key=strategy_order)
    kinds = {
        "iou": ("mean", "minimum", f"Density {density:.3g}: mean overlap, below it the least"),
        "kappa": ("kappa", "chance", f"Density {density:.3g}: kappa, below it overlap by chance"),
    }
    found = []
    for kind, (above, below, title) in kinds.items():
        values: list[list[float | None]] = [[None] * len(names) for _ in names]
        for row, column in combinations(range(len(names)), 2):
            overlap = overlaps.get((names[row], names[column]), overlaps.get((names[column], names[row])))
            if overlap is not None:
                values[row][column] = getattr(overlap, above)
                values[column][row] = getattr(overlap, below)
        figure = draw_matrix(values, names, title=title)
        alt = (
            f"Masks of {', '.join(names)} at density {density:.3g}, {study.title}: {above} above the "
            f"diagonal, {below} below it. The numbers are in the table overlap."
        )
        found.append(gallery.add(figure, f"{study.name}-overlap-{kind}-{density:.4g}", alt))
    return found


def _layers(study: Study, gallery: Gallery, reference: str, overlaps: Mapping[float, Pairs]) -> list[Drawing]:
    """`_by_layer` for both blocks at the two densities at which it is drawn."""
    return [
        _by_layer(study, gallery, block, density, reference, overlaps[density])
        for density in layer_densities(study)
        for block in BLOCKS
        if any(overlap.blocks for overlap in pairs_with(overlaps[density], reference).values())
    ]


def _by_layer(
    study: Study,
    gallery: Gallery,
    block: str,
    density: float,
    reference: str,
    overlaps: Pairs,
) -> Drawing:
    """Figures 10 to 12 of the paper: overlap with one strategy by layer, one block of the layers."""
    pairs = pairs_with(overlaps, reference)
    series: list[Series] = []
    chances: dict[float, float] = {}
    for name in sorted(pairs, key=strategy_order):
        found = {layer: both for (layer, of), both in pairs[name].blocks.items() if of == block}
        series.append(Series(name, {layer: [iou] for layer, (iou, _) in found.items()}, gallery.styles[name]))
        chances = {layer: chance for layer, (_, chance) in found.items()}
    figure = draw_curves(
        series,
        title=f"Overlap with {reference}: {block}, density {density:.3g}",
        x_title="layer, counted from 0",
        y_title=OVERLAP,
        levels=[Level("by chance", chances)],
        limits=(-0.02, 1.02),
    )
    alt = (
        f"Overlap of kept weights with {reference} by layer, {block}, at density {density:.3g}, "
        f"{study.title}: {', '.join(one.label for one in series)}, and the chance level."
    )
    return gallery.add(figure, f"{study.name}-layers-{reference}-{block}-{density:.4g}", alt)


def _seeds(counts: Sequence[int]) -> str:
    """Over which seeds overlaps are averaged, from how many all strategies have at each density."""
    if counts[0] == 0:
        return "the seeds that all strategies of a density have, or if there is none, those of each pair"
    number = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return "the one seed that all strategies have" if number == "1" else f"the {number} seeds that all have"
