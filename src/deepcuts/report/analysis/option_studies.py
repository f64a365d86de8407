"""Studies of one option of scoring, such as λ or the noise: performance and masks against its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from deepcuts.masks.bits import MaskBits
from deepcuts.report.analysis.studies import Study
from deepcuts.report.analysis.study_overlaps import compare_masks
from deepcuts.report.cells import Cell
from deepcuts.runs.settings import settings
from deepcuts.scoring.options import Limit
from deepcuts.scoring.strategy import Strategy


@dataclass(frozen=True)
class OptionStudy:
    """Cells of one strategy and density that differ in one option of scoring and the seed alone.

    Attributes:
        strategy: Name of the strategy.
        density: Share kept.
        option: Name of the option.
        usual: Its usual value.
        cells: Value → cells that are done, ascending; of the seeds that all values have, if there are such.
        references: Label → cells of the same seeds that the option leads to at a limit, where they were run;
            the masks are compared with theirs.
    """

    strategy: str
    density: float
    option: str
    usual: Any
    cells: Mapping[Any, Sequence[Cell]]
    references: Mapping[str, Sequence[Cell]]

    @property
    def title(self) -> str:
        """The option's name in figures."""
        return settings()[self.option].title

    def overlaps(self, reference: str) -> dict[Any, list[tuple[float, float]]]:
        """Value → per shared seed, the overlap of kept weights with the reference's mask, and by chance."""
        masks = {
            cell.seed: MaskBits.load(cell.mask_file)
            for cell in self.references[reference]
            if cell.mask_file.is_file()
        }
        found: dict[Any, list[tuple[float, float]]] = {}
        for value, cells in self.cells.items():
            for cell in cells:
                if cell.seed in masks and cell.mask_file.is_file():
                    overlap = compare_masks(MaskBits.load(cell.mask_file), masks[cell.seed])
                    found.setdefault(value, []).append((overlap.overall, overlap.overall_chance))
        return found


def option_studies(study: Study) -> list[OptionStudy]:
    """Every strategy and density of a study at which one option was varied and the others were not."""
    found = []
    variants = [cell for cell in study.variants if cell.result is not None]
    varied: dict[tuple[str, float, str], None] = {}
    for cell in variants:
        odd = [name for name, value in cell.options.items() if value != study.usual_options[name]]
        if len(odd) == 1:
            varied[cell.strategy, cell.density, odd[0]] = None
    for strategy, density, option in sorted(varied):
        cells = [
            cell
            for cell in (*study.at(strategy, density), *variants)
            if (cell.strategy, cell.density) == (strategy, density)
            and all(
                cell.options[name] == study.usual_options[name] for name in cell.options if name != option
            )
        ]
        values = sorted({cell.options[option] for cell in cells})
        by_value = {
            value: sorted((c for c in cells if c.options[option] == value), key=lambda cell: cell.seed)
            for value in values
        }
        # Values are compared over the same seeds, if there are any that all of them have.
        shared = set.intersection(*({cell.seed for cell in group} for group in by_value.values()))
        if shared:
            by_value = {value: _of_seeds(group, shared) for value, group in by_value.items()}
        names = limits(strategy, option)
        references = {
            label: cells
            for label, name in names.items()
            if (cells := _of_seeds(study.at(name, density), shared or None))
        }
        parsed = Strategy.parse(strategy)
        for limit, other in parsed.limits(_name(parsed, option)):
            if (
                limit.value is not None
                and limit.value in by_value
                and _label(limit, str(other)) not in references
            ):
                references[_label(limit, strategy)] = by_value[limit.value]
        if not names:
            usual = _of_seeds(study.at(strategy, density), shared or None)
            references[f"{strategy} at {study.usual_options[option]:g}"] = usual
        found.append(
            OptionStudy(strategy, density, option, study.usual_options[option], by_value, references)
        )
    return found


def _of_seeds(cells: Sequence[Cell], seeds: set[int] | None) -> list[Cell]:
    return [cell for cell in cells if seeds is None or cell.seed in seeds]


def limits(strategy: str, option: str) -> dict[str, str]:
    """What a strategy becomes at the limits of an option: label → name of a strategy."""
    parsed = Strategy.parse(strategy)
    return {_label(limit, str(other)): str(other) for limit, other in parsed.limits(_name(parsed, option))}


def _label(limit: Limit, strategy: str) -> str:
    return f"{strategy} ({limit.words})"


def _name(strategy: Strategy, setting: str) -> str:
    """An option's name, by what a configuration calls it."""
    return next((one.name for one in strategy.options if one.setting == setting), setting)


def option_rows(found: OptionStudy, measures: Sequence[str]) -> list[dict[str, Any]]:
    """The numbers of an option study, one row a value: means over seeds, and overlaps with the references."""
    overlaps = {label: found.overlaps(label) for label in found.references}
    rows = []
    for value, cells in found.cells.items():
        row: dict[str, Any] = {
            "strategy": found.strategy,
            "density": found.density,
            "option": found.option,
            "value": value,
            "seeds": " ".join(str(cell.seed) for cell in cells),
        }
        for phase in ("pruned", "retrained"):
            for name in measures:
                row[f"{phase} {name}"] = fmean(float(cell.found[phase][name]) for cell in cells)
        for label, by_value in overlaps.items():
            if value in by_value:
                row[f"kept IoU with {label}"] = fmean(iou for iou, _ in by_value[value])
                row["kept IoU by chance"] = fmean(chance for _, chance in by_value[value])
        rows.append(row)
    return rows
