"""Differences between strategies on the same seeds and the same dev rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepcuts.common.errors import MismatchError
from deepcuts.report.analysis.intervals import LEVEL, Interval, interval_of_mean
from deepcuts.report.analysis.studies import Study
from deepcuts.report.cells import PHASES, Array, Cell, Phase
from deepcuts.tasks.resampling import draw_counts, measure_resamples

# Files hold single precision; a measure found from them is far nearer to the one in the result.
_TOLERANCE = 1e-3

#: (key of a cell, phase) → measure → its value on the dev rows, then on every resample of them.
Replicates = Mapping[tuple[str, Phase], Mapping[str, Array]]


@dataclass(frozen=True)
class Difference:
    """How much higher one strategy measures than another, on the same seeds.

    Attributes:
        value: Mean over the seeds that both have.
        by_seed: Seed → difference.
        interval: Of `value`, see `deepcuts.report.analysis.intervals`; None where there is none.
    """

    value: float
    by_seed: Mapping[int, float]
    interval: Interval | None

    @property
    def within_noise(self) -> bool | None:
        """Whether the interval, of whatever it covers, holds 0; None where there is none."""
        return None if self.interval is None else self.interval.low <= 0 <= self.interval.high

    @property
    def covers(self) -> str:
        """What the interval covers, such as ``"dev rows"``; empty where there is none."""
        return "" if self.interval is None else self.interval.covers


def replicate(study: Study, replicates: int, seed: int = 0) -> Replicates:
    """Measure the usual cells of a study on the same resamples of their dev rows.

    Cells that kept no predictions are left out.

    Raises:
        MismatchError: Two cells have other dev rows, or predictions that don't give the measures in the
            result beside them.
    """
    found: dict[tuple[str, Phase], Mapping[str, Array]] = {}
    targets: Array | None = None
    counts: Array | None = None
    for cell in study.done:
        predictions = cell.predictions()
        if predictions is None:
            continue
        if targets is None or counts is None:
            targets = predictions["targets"]
            counts = draw_counts(study.kind.units(targets), replicates, seed)
        elif not np.array_equal(targets, predictions["targets"]):
            raise MismatchError(
                f"{cell.record.folder}: its dev rows are not those of the study's other cells"
            )
        for phase in PHASES:
            measures = measure_resamples(study.kind.name, predictions[phase], targets, counts, study.measures)
            _check(cell, phase, measures)
            found[cell.record.key, phase] = measures
    return found


def difference(
    first: Sequence[Cell],
    second: Sequence[Cell],
    phase: Phase,
    measure: str,
    replicates: Replicates,
    level: float = LEVEL,
) -> Difference | None:
    """Compare the cells of two strategies of one study and density, seed by seed.

    Each replicate measures both strategies, and all seeds, on the same resampled rows.

    Args:
        first: Cells of one strategy, one a seed.
        second: Cells of the other.
        phase: Before or after retraining.
        measure: What is compared.
        replicates: What `replicate` found.
        level: Of the interval.

    Returns:
        First minus second; None where no seed is shared.
    """
    by_seed = [{cell.seed: cell for cell in cells} for cells in (first, second)]
    shared = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not shared:
        return None
    pairs = [(by_seed[0][seed], by_seed[1][seed]) for seed in shared]
    values = {cell.seed: cell.found[phase][measure] - other.found[phase][measure] for cell, other in pairs}
    value = float(np.mean(list(values.values())))
    keys = [((cell.record.key, phase), (other.record.key, phase)) for cell, other in pairs]
    if any(key not in replicates for pair in keys for key in pair):
        return Difference(value, values, interval_of_mean(list(values.values()), None, level))
    # (seeds, 1 + replicates)
    differences = np.stack([replicates[one][measure] - replicates[other][measure] for one, other in keys])
    resampled = differences.mean(axis=0)[1:]
    return Difference(value, values, interval_of_mean(list(values.values()), resampled, level))


def _check(cell: Cell, phase: Phase, measures: Mapping[str, Array]) -> None:
    for name, values in measures.items():
        stated = cell.found[phase][name]
        if abs(float(values[0]) - stated) > _TOLERANCE * max(1.0, abs(stated)):
            raise MismatchError(
                f"{cell.record.folder}: its predictions give {name} {float(values[0]):.4f} "
                f"{PHASES[phase]}, its result says {stated:.4f}"
            )
