"""What the dense and the pruned models reach on test rows, which nothing was chosen on."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean, stdev

from deepcuts.report.analysis.results import is_constant_on_test
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.cells import Cell, seeds_of
from deepcuts.report.page.parts import Part
from deepcuts.report.page.tables import NOTHING, Entry, Table
from deepcuts.report.sections.registry import Material, study_part
from deepcuts.report.words import measure_note, number


@study_part(order=25)
def on_test(study: Study, material: Material) -> list[Part]:
    """Measures on the test rows, where some were given."""
    cells = [cell for cell in study.done if "test" in cell.found]
    if not cells:
        return []
    material.add_rows("test", (row for cell in cells for row in _rows(study, cell)))
    groups: dict[tuple[str, float], list[Cell]] = {}
    for strategy in study.strategies:
        for density in study.densities:
            if found := [cell for cell in study.at(strategy, density) if cell in cells]:
                groups[strategy, density] = found
    columns = ["strategy", "density", "seeds", "dense", "retrained", "retrained, on dev", "kept"]
    entries = [_entries(study, *key, found) for key, found in groups.items()]
    counts = " or ".join(sorted({f"{cell.found['test']['rows']:,}" for cell in cells}))
    return [
        Part(
            "On test rows",
            [],
            [Table(f"{study.title}, {counts} test rows", columns, entries)],
            f"{measure_note([study.primary])}. Measured once, when a run was done; nothing was chosen on "
            "these rows. Kept is the share of the dense model's measure above a constant's. Each run is in "
            "tables/test.csv.",
        )
    ]


def _entries(study: Study, strategy: str, density: float, cells: list[Cell]) -> list[Entry]:
    name = study.primary
    tests = [cell.found["test"] for cell in cells]
    shares = [
        (one["retrained"][name] - one["baseline"][name]) / (one["dense"][name] - one["baseline"][name])
        for one in tests
        if one["dense"][name] > one["baseline"][name]
    ]
    flat = [cell.seed for cell in cells if is_constant_on_test(cell)]
    below = f"as good as constant: seed {', '.join(map(str, flat))}" if flat else ""
    kept = Entry(NOTHING) if len(shares) < len(tests) else Entry(f"{fmean(shares):.1%}", value=fmean(shares))
    return [
        Entry(strategy),
        Entry(f"{density:.4g}", value=density),
        Entry(str(len(seeds_of(cells))), below, len(cells)),
        _mean([one["dense"][name] for one in tests]),
        _mean([one["retrained"][name] for one in tests]),
        _mean([cell.found["retrained"][name] for cell in cells]),
        kept,
    ]


def _mean(values: list[float]) -> Entry:
    """Mean ± deviation, below it the single values by seed."""
    mean = fmean(values)
    if len(values) == 1:
        return Entry(number(mean), value=mean)
    return Entry(f"{number(mean)} ± {number(stdev(values))}", " · ".join(map(number, values)), mean)


def _rows(study: Study, cell: Cell) -> Iterator[Row]:
    test = cell.found["test"]
    for measure in study.measures:
        yield {
            **study.about,
            "strategy": cell.strategy,
            "density": cell.density,
            "seed": cell.seed,
            "rows": test["rows"],
            "measure": measure,
            **{part: test[part].get(measure) for part in ("baseline", "dense", "retrained")},
            "as good as constant": is_constant_on_test(cell),
        }
