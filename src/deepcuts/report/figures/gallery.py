"""The figures of a report, drawn into a folder and handed to the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from deepcuts.report.analysis.option_studies import OptionStudy
from deepcuts.report.analysis.results import LEVELS, kept_share, level_of
from deepcuts.report.analysis.studies import Study
from deepcuts.report.analysis.study_overlaps import Overlap, Row, layer_densities, pairs_with
from deepcuts.report.cells import PAPER_ORDER, PHASES, Phase, is_control, seeds_of, strategy_order
from deepcuts.report.figures import curves as plots
from deepcuts.report.figures.curves import Level, Series
from deepcuts.tasks import described, kind_named

_DENSITY = "density: share of prunable weights kept (log scale)"
_COMPRESSION = "compression: parameters of the whole model before / after"


@dataclass(frozen=True)
class Drawing:
    """A figure in the page.

    Attributes:
        name: Name of its files, without an ending.
        alt: What it shows, for who can't see it.
        svg: The SVG, ready for the page.
    """

    name: str
    alt: str
    svg: str


class Gallery:
    """Draws figures into a folder; knows how each strategy of the report is drawn.

    Args:
        folder: The folder.
        strategies: All strategies that any figure shows.
    """

    def __init__(self, folder: Path, strategies: Sequence[str]) -> None:
        self._folder = folder
        others = [name for name in sorted(set(strategies), key=strategy_order) if name not in PAPER_ORDER]
        ordinary = [*PAPER_ORDER, *(name for name in others if not is_control(name))]
        self._styles = {name: plots.style(number) for number, name in enumerate(ordinary)}
        controls = [name for name in others if is_control(name)]
        self._styles |= {name: plots.style(number, control=True) for number, name in enumerate(controls)}

    def performance(self, study: Study, phase: Phase, measure: str, axis: str) -> Drawing:
        """Figures 6 to 8 of the paper: a measure against density or compression, a curve a strategy."""
        series = []
        for strategy in study.strategies:
            points: dict[float, list[float]] = {}
            for cell in study.done:
                if cell.strategy == strategy:
                    at = cell.density if axis == "density" else round(float(cell.found["kept"][axis]), 4)
                    points.setdefault(at, []).append(float(cell.found[phase][measure]))
            series.append(Series(strategy, points, self._styles[strategy]))
        levels = [
            Level(f"dense model ({_seeds(study)})", level_of(study.done, "dense", measure), "-"),
            Level(kind_named(study.kind).constant_title, level_of(study.done, "baseline", measure), "--"),
        ]
        figure = plots.curves(
            series,
            title=f"{_title(measure)} {PHASES[phase]} ({_better(measure)} is better)",
            x_title=_DENSITY if axis == "density" else _COMPRESSION,
            y_title=_y_title(measure),
            levels=levels,
            logarithmic=axis == "density",
        )
        alt = (
            f"{_name(measure)} on dev {PHASES[phase]} against {axis}, {study.title}: one curve each for "
            f"{', '.join(study.strategies)}, with the level of the dense model and of the baseline. "
            "The numbers are in the table of results."
        )
        return self._save(figure, f"{study.name}-{phase}-{measure}-{axis}", alt)

    def pareto(self, study: Study) -> list[Drawing]:
        """Share of the dense model's performance kept, against the share of weights kept.

        Nothing is drawn where no dense model is better than a constant: there is nothing to have a share of.
        """
        series = []
        for strategy in study.strategies:
            points: dict[float, list[float]] = {}
            for cell in study.done:
                share = kept_share(cell, "retrained")
                if cell.strategy == strategy and share is not None:
                    points.setdefault(cell.density, []).append(100 * share)
            if points:
                series.append(Series(strategy, points, self._styles[strategy]))
        lines = ("-", "--", ":")
        if not series:
            return []
        levels = [Level(f"{level:.0%}", 100 * level, line) for level, line in zip(LEVELS, lines, strict=True)]
        figure = plots.curves(
            series,
            title=f"{_title(study.primary)} kept after retraining",
            x_title=_DENSITY,
            y_title="share of dense performance\nabove the baseline, %",
            levels=levels,
            logarithmic=True,
        )
        alt = (
            f"Share of the dense model's {study.primary} above the baseline that is kept, against density, "
            f"{study.title}; lines mark {', '.join(f'{level:.0%}' for level in LEVELS)}."
        )
        return [self._save(figure, f"{study.name}-pareto", alt)]

    def matrices(
        self, study: Study, density: float, overlaps: Mapping[tuple[str, str], Overlap]
    ) -> list[Drawing]:
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
            figure = plots.matrix(values, names, title=title)
            alt = (
                f"Masks of {', '.join(names)} at density {density:.3g}, {study.title}: {above} above the "
                f"diagonal, {below} below it. The numbers are in the table overlap."
            )
            found.append(self._save(figure, f"{study.name}-overlap-{kind}-{density:.4g}", alt))
        return found

    def by_layer(
        self,
        study: Study,
        block: str,
        density: float,
        reference: str,
        overlaps: Mapping[tuple[str, str], Overlap],
    ) -> Drawing:
        """Figures 10 to 12 of the paper: overlap with one strategy by layer, one block of the layers."""
        pairs = pairs_with(overlaps, reference)
        series: list[Series] = []
        chances: dict[float, float] = {}
        for name in sorted(pairs, key=strategy_order):
            found = {layer: both for (layer, of), both in pairs[name].blocks.items() if of == block}
            series.append(
                Series(name, {layer: [iou] for layer, (iou, _) in found.items()}, self._styles[name])
            )
            chances = {layer: chance for layer, (_, chance) in found.items()}
        figure = plots.curves(
            series,
            title=f"Overlap with {reference}: {block}, density {density:.3g}",
            x_title="layer, counted from 0",
            y_title="intersection over union\nof kept weights",
            levels=[Level("by chance", chances)],
            limits=(-0.02, 1.02),
        )
        alt = (
            f"Overlap of kept weights with {reference} by layer, {block}, at density {density:.3g}, "
            f"{study.title}: {', '.join(one.label for one in series)}, and the chance level."
        )
        return self._save(figure, f"{study.name}-layers-{reference}-{block}-{density:.4g}", alt)

    def layers(
        self, study: Study, reference: str, overlaps: Mapping[float, Mapping[tuple[str, str], Overlap]]
    ) -> list[Drawing]:
        """`by_layer` for both blocks at the two densities at which it is drawn."""
        return [
            self.by_layer(study, block, density, reference, overlaps[density])
            for density in layer_densities(study)
            for block in ("attention", "feed-forward")
            if any(overlap.blocks for overlap in pairs_with(overlaps[density], reference).values())
        ]

    def agreement(self, rows: Sequence[Row], name: str, title: str) -> Drawing:
        """Overlap between masks of one strategy, from other seeds or tasks, against density."""
        points: dict[str, dict[float, list[float]]] = {}
        for row in rows:
            points.setdefault(row["strategy"], {})[row["density"]] = [row["overlap"].overall]
        chances = {row["density"]: row["overlap"].overall_chance for row in rows}
        figure = plots.curves(
            [Series(one, points[one], self._styles[one]) for one in sorted(points, key=strategy_order)],
            title=title,
            x_title=_DENSITY,
            y_title="intersection over union\nof kept weights",
            levels=[Level("by chance", dict(sorted(chances.items())))],
            logarithmic=True,
            limits=(-0.02, 1.02),
        )
        return self._save(
            figure, name, f"{title}, against density: {', '.join(points)}, and the chance level."
        )

    def option(self, study: Study, found: OptionStudy) -> list[Drawing]:
        """A measure against an option of scoring, and the overlap of the masks with those at its limits."""
        places = {value: float(place) for place, value in enumerate(found.cells)}
        names = {
            place: f"{value:g}" + (" (usual)" if value == found.usual else "")
            for value, place in places.items()
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
                        places[value]: [float(cell.found[phase][measure]) for cell in cells]
                        for value, cells in found.cells.items()
                    },
                    plots.style(number),
                )
                for number, phase in enumerate(PHASES)
            ]
            levels = [
                Level(f"{label}, retrained", fmean(float(c.found["retrained"][measure]) for c in cells), line)
                for (label, cells), line in zip(found.references.items(), ("--", ":"), strict=False)
            ]
            figure = plots.curves(
                series,
                title=about,
                x_title=x_title,
                y_title=_y_title(measure),
                levels=levels,
                x_names=names,
            )
            alt = f"{_name(measure)} of {about} against {found.title}, pruned and retrained, {study.title}."
            drawings.append(self._save(figure, f"{stem}-{measure}", alt))
        drawings += self._option_masks(found, places, names, stem, about, x_title)
        return drawings

    def _option_masks(
        self,
        found: OptionStudy,
        places: Mapping[Any, float],
        names: Mapping[float, str],
        stem: str,
        about: str,
        x_title: str,
    ) -> list[Drawing]:
        series, chances = [], []
        for number, label in enumerate(found.references):
            overlaps = found.overlaps(label)
            points = {places[value]: [iou for iou, _ in each] for value, each in overlaps.items()}
            chances += [chance for each in overlaps.values() for _, chance in each]
            if points:
                series.append(Series(f"with {label}", points, plots.style(number + 2)))
        if not series:
            return []
        figure = plots.curves(
            series,
            title=f"Masks of {about}",
            x_title=x_title,
            y_title="intersection over union\nof kept weights",
            levels=[Level("by chance", fmean(chances))],
            x_names=names,
            limits=(-0.02, 1.02),
        )
        alt = f"Overlap of the masks of {about} with {', '.join(found.references)}, against {found.title}."
        return [self._save(figure, f"{stem}-masks", alt)]

    def _save(self, figure: Any, name: str, alt: str) -> Drawing:
        return Drawing(name, alt, plots.save(figure, self._folder, name))


def _name(measure: str) -> str:
    """A measure's full name without its range."""
    return described(measure).title.partition(",")[0]


def _title(measure: str) -> str:
    name = _name(measure)
    return name[0].upper() + name[1:]


def _better(measure: str) -> str:
    return "lower" if described(measure).lower_is_better else "higher"


def _y_title(measure: str) -> str:
    return described(measure).title.replace(", ", "\n", 1)


def _seeds(study: Study) -> str:
    seeds = seeds_of(study.done)
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean of {len(seeds)} seeds"
