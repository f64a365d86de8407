"""From the cells of a store to a folder with a page, figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from deepcuts.common.errors import InputError
from deepcuts.common.files import write_atomically
from deepcuts.report.analysis import provenance, results
from deepcuts.report.analysis.differences import Replicates, replicate
from deepcuts.report.analysis.option_studies import option_rows, option_studies
from deepcuts.report.analysis.studies import Study, find_studies
from deepcuts.report.analysis.study_overlaps import (
    Row,
    overlap_columns,
    seed_overlaps,
    strategy_overlaps,
    task_overlaps,
)
from deepcuts.report.cells import PHASES, Cell, Phase, load_cell
from deepcuts.report.figures.gallery import Drawing, Gallery
from deepcuts.report.page import tables
from deepcuts.report.page.render import Part, Section, render
from deepcuts.report.summary import summarise
from deepcuts.runs.grid.records import read_cells
from deepcuts.scoring.strategy import Strategy
from deepcuts.tasks import kind_named
from deepcuts.tasks.kinds.kind import NEAR_CONSTANT

PAGE, FIGURES, TABLES = "report.html", "figures", "tables"
#: Compared with wherever it was run, beside the reference that is asked for.
GRADIENT = "LayerMagGrad"


def write_report(
    store: Path,
    output: Path,
    *,
    grid: str | None = None,
    reference: str = "LayerMagWeight",
    replicates: int = 1000,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Report on the cells of a store: ``report.html``, and the folders ``figures`` and ``tables``.

    The page holds everything itself, figures included; the folders have the figures as PNG and SVG and the
    numbers as CSV. The same cells give the same bytes.

    Args:
        store: The store.
        output: The folder; an earlier report in it is replaced.
        grid: Name of a grid of the store; None takes all its cells.
        reference: Strategy to which each other one is compared; so is `GRADIENT`, where it was run.
        replicates: Bootstrap replicates of an interval.
        seed: Seed of the bootstrap.
        progress: Told what is being done.

    Returns:
        The page.

    Raises:
        InputError: There is no such store or grid, not one of its cells is done, the reference is unknown,
            there are too few replicates, or the folder holds figures or tables that are no report's.
        FileFormatError: A cell's files can't be read.
        MismatchError: A cell's files contradict each other.
    """
    options = _Options(str(Strategy.parse(reference)), replicates, seed)
    if replicates < 100:
        raise InputError("replicates", replicates, "an interval needs 100 or more")
    _check_output(output)
    cells = [load_cell(record) for record in read_cells(store, grid)]
    if not any(cell.result is not None for cell in cells):
        raise InputError("store", str(store), f"not one of its {len(cells)} cells is done yet")
    studies = _named_apart(find_studies(cells))
    files: dict[str, list[Row]] = {"cells": provenance.cell_rows(cells)}
    sections: list[Section] = []

    def draw(folder: Path) -> None:
        gallery = Gallery(folder, [cell.strategy for cell in cells])
        for study in studies:
            progress(f"report: {study.title}")
            sections.append(_study_section(study, gallery, files, options))
        sections.extend(_task_section(studies, gallery, files))

    write_atomically(output / FIGURES, draw)
    sections.append(_provenance_section(cells, studies))
    write_atomically(output / TABLES, lambda folder: _write_tables(folder, files))
    title = f"deepcuts: {grid}" if grid else "deepcuts: report"
    html = render(title, _counts(cells), sections, options.references, replicates)
    write_atomically(output / PAGE, lambda path: _write_text(path, html))
    return output / PAGE


@dataclass(frozen=True)
class _Options:
    reference: str
    replicates: int
    seed: int

    @property
    def references(self) -> list[str]:
        return list(dict.fromkeys([self.reference, GRADIENT]))


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError("output", str(output), "it must be a folder")
    taken = [name for name in (FIGURES, TABLES) if (output / name).exists()]
    if taken and not (output / PAGE).is_file():
        raise InputError(
            "output",
            str(output),
            f"its {taken[0]!r} is no report's and would be replaced; name another folder",
        )


def _named_apart(studies: Sequence[Study]) -> list[Study]:
    """Studies whose titles would be equal (one task's name, two sets of data) get a number."""
    found: list[Study] = []
    for study in studies:
        number = sum(1 for one in found if (one.model, one.task) == (study.model, study.task)) + 1
        alike = any(one.name == study.name for one in found)
        setting = f"{study.setting} ({number})".strip() if alike else study.setting
        found.append(replace(study, setting=setting))
    return found


def _study_section(study: Study, gallery: Gallery, files: dict[str, list[Row]], options: _Options) -> Section:
    if not study.has_results:
        return Section(study.title, study.name, ["Not one of these cells is done yet."], [])
    replicates = replicate(study, options.replicates, options.seed)
    parts = []
    if study.done:
        parts += _performance(study, gallery, files, options, replicates)
        parts += _masks(study, gallery, files, options)
    parts += _options(study, gallery, files)
    return Section(study.title, study.name, summarise(study, replicates, options.seed), parts)


def _performance(
    study: Study,
    gallery: Gallery,
    files: dict[str, list[Row]],
    options: _Options,
    replicates: Replicates,
) -> list[Part]:
    rows = {
        phase: results.performance_rows(study, phase, replicates, options.references, options.seed)
        for phase in PHASES
    }
    files.setdefault("performance", []).extend(results.performance_table(study, rows))
    pareto = results.pareto_rows(study)
    files.setdefault("pareto", []).extend(
        {**_about(study), "strategy": row["strategy"]}
        | {f"smallest density that keeps {level:.0%}": found for level, found in row["smallest"].items()}
        for row in pareto
    )
    collapsed = results.collapse_rows(study)
    files.setdefault("collapsed", []).extend(
        {**_about(study), "strategy": row["strategy"], "density": density, "collapsed": number, "runs": runs}
        for row in collapsed
        for density, (number, runs) in row["collapsed"].items()
    )
    costs = results.cost_rows(study)
    files.setdefault("costs", []).extend({**_about(study), **row} for row in costs)
    absent = results.absent_rows(study)

    def drawn(phase: Phase, *axes: str) -> list[Drawing]:
        pairs = product(study.measures, axes)
        return [gallery.performance(study, phase, measure, axis) for measure, axis in pairs]

    curves = tables.measure_note(study.measures)
    return [
        Part(
            "Performance after retraining",
            drawn("retrained", "density", "compression"),
            [tables.results_table(study, "retrained", rows["retrained"], absent, options.references)],
            f"Measured on dev: {curves}. Filled marks are means over seeds, small open ones single runs; "
            "bars go from the least to the greatest. Curves are moved sideways a little, to hide none.",
        ),
        Part(
            "Performance before retraining",
            drawn("pruned", "density"),
            [tables.results_table(study, "pruned", rows["pruned"], [], options.references)],
            "The fine-tuned model right after the cut, before anything is rewound or retrained.",
        ),
        Part(
            "How much is kept for how few weights",
            gallery.pareto(study),
            [tables.pareto_table(pareto)],
            "0% is the constant baseline, 100% the dense model of the same seed. Where that is no better "
            "than the baseline there is no share to speak of.",
        ),
        Part(
            "Collapsed runs",
            [],
            [tables.collapse_table(collapsed, study.densities)],
            f"A retrained run counts as good as constant if its {study.primary} is above a constant's by no "
            f"more than chance brings (two standard errors, at least {NEAR_CONSTANT})"
            + (f", or if {signs}" if (signs := kind_named(study.kind).constant_signs) else "")
            + ". It lies on a plateau that it left too late, or that its cut left no way off. What to try: "
            "rewinding to the fine-tuned values (rewind: finetuned), warm-up, more epochs, another seed.",
        ),
        Part("Costs", [], [tables.cost_table(costs)], "A pass is forward and backward over one batch."),
    ]


def _masks(study: Study, gallery: Gallery, files: dict[str, list[Row]], options: _Options) -> list[Part]:
    overlaps = {density: strategy_overlaps(study, density) for density in study.densities}
    pairs = {density: found for density, (found, _) in overlaps.items() if found}
    for density, found in pairs.items():
        for (first, second), overlap in found.items():
            about = {**_about(study), "density": density, "first": first, "second": second}
            files.setdefault("overlap", []).append({**about, **overlap_columns(overlap)})
            files.setdefault("overlap_by_layer", []).extend(
                {**about, "layer": layer, "block": block, "kept_iou": iou, "kept_iou_by_chance": chance}
                for (layer, block), (iou, chance) in overlap.blocks.items()
            )
    parts = []
    if pairs:
        counts = sorted({len(seeds) for density, (_, seeds) in overlaps.items() if density in pairs})
        parts.append(
            Part(
                "Overlap of masks between strategies",
                [one for density in pairs for one in gallery.matrices(study, density, pairs[density])],
                [],
                "Overlap is intersection over union of kept weights. Left, above the diagonal, its mean over "
                "tensors; below it, the least of any tensor. Right, above the diagonal, Cohen's kappa (0 by "
                f"chance); below it, the mean overlap by chance. Means over {_seeds(counts)}. Usual options "
                "only. Columns have the numbers of rows.",
            )
        )
        shown = [name for name in options.references if name in study.strategies]
        drawn = [one for name in shown for one in gallery.layers(study, name, _complete(pairs, study))]
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
    if rows := seed_overlaps(study):
        files.setdefault("overlap_of_seeds", []).extend(_agreement_rows(rows, _about(study)))
        parts.append(
            Part(
                "Overlap of masks between seeds",
                [gallery.agreement(rows, f"{study.name}-seeds", "Same strategy, other seed")],
                [tables.agreement_table(rows, "One strategy, two seeds; mean over pairs of seeds")],
                "Another seed means other batches, another order of training, and another fine-tuned model.",
            )
        )
    return parts


def _options(study: Study, gallery: Gallery, files: dict[str, list[Row]]) -> list[Part]:
    parts = []
    for found in option_studies(study):
        rows = option_rows(found, study.measures)
        files.setdefault("options", []).extend({**_about(study), **row} for row in rows)
        about = f"{found.strategy} against {found.title}, density {found.density:.3g}"
        parts.append(
            Part(
                f"Option: {about}",
                gallery.option(study, found),
                [tables.option_table(f"{about}; means over seeds", rows)],
                "All else is equal. Masks are compared at the same density and seed. These cells are in no "
                f"other figure, except those at the usual value, {found.usual:g}.",
            )
        )
    return parts


def _task_section(studies: Sequence[Study], gallery: Gallery, files: dict[str, list[Row]]) -> list[Section]:
    rows = task_overlaps(studies)
    parts = []
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        names = " and ".join(mine[0]["tasks"])
        files.setdefault("overlap_of_tasks", []).extend(
            _agreement_rows(mine, {"model": model, "tasks": names})
        )
        name = f"{model.lower().replace('/', '-')}-tasks"
        parts.append(
            Part(
                f"{model}: {names}",
                [gallery.agreement(mine, name, "Same strategy and seed, other task")],
                [
                    tables.agreement_table(
                        mine, "One strategy, seed and density; mean over seeds and pairs of tasks"
                    )
                ],
                "Kept by all: how many weights the masks of all these tasks keep, beside chance.",
            )
        )
    return [Section("Overlap of masks between tasks", "tasks", [], parts)] if parts else []


def _provenance_section(cells: Sequence[Cell], studies: Sequence[Study]) -> Section:
    facts = {
        "Models": provenance.model_rows(cells),
        "Data": provenance.data_rows(cells),
        "Settings": provenance.setting_rows(studies),
        "Versions and machines": provenance.environment_rows(cells),
        "Failed cells": provenance.failed_rows(cells),
        "Missing cells": provenance.missing_rows(cells),
    }
    found = {caption: tables.facts_table(caption, rows) for caption, rows in facts.items() if rows}
    for caption in ("Settings", "Versions and machines"):  # a few rows with many columns
        found[caption] = tables.turned(found[caption])
    note = "Each cell with its status, options and commit is in tables/cells.csv."
    return Section(
        "What was run", "what-was-run", [_counts(cells)], [Part("", [], list(found.values()), note)]
    )


def _agreement_rows(rows: Sequence[Row], about: Row) -> list[Row]:
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


def _seeds(counts: Sequence[int]) -> str:
    """Over which seeds overlaps are averaged, from how many all strategies have at each density."""
    if counts[0] == 0:
        return "the seeds that all strategies of a density have, or if there is none, those of each pair"
    number = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return "the one seed that all strategies have" if number == "1" else f"the {number} seeds that all have"


def _complete(pairs: dict[float, Any], study: Study) -> dict[float, Any]:
    return {density: pairs.get(density, {}) for density in study.densities}


def _about(study: Study) -> Row:
    return {"model": study.model, "task": study.task, "setting": study.setting}


def _counts(cells: Sequence[Cell]) -> str:
    number = {status: sum(cell.record.status == status for cell in cells) for status in ("failed", "missing")}
    done = len(cells) - sum(number.values())
    return f"{done} of {len(cells)} cells are done, {number['failed']} failed, {number['missing']} missing."


def _write_tables(folder: Path, files: dict[str, list[Row]]) -> None:
    import csv

    for name, rows in files.items():
        folder.mkdir(parents=True, exist_ok=True)
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
