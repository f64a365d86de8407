"""From the cells of a store to a folder with a page, figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from deepcuts.common.errors import InputError
from deepcuts.common.files import check_output, write_atomically
from deepcuts.common.seeds import check_seed
from deepcuts.common.shown import write_csv
from deepcuts.report.analysis.studies import Row, Study, find_studies
from deepcuts.report.cells import Cell
from deepcuts.report.figures import Gallery
from deepcuts.report.page.parts import Section
from deepcuts.report.page.render import render
from deepcuts.report.reading import load_cells
from deepcuts.report.sections import UNREADABLE, Material, page_sections, study_parts
from deepcuts.report.summary import summarise
from deepcuts.scoring.strategy import Strategy

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
        InputError: There is no such store or grid, the reference is unknown, there are too few replicates, or
            the folder holds figures or tables that are no report's.
    """
    references = list(dict.fromkeys([str(Strategy.parse(reference)), GRADIENT]))
    check_seed(seed)
    if replicates < 100:
        raise InputError("replicates", replicates, "an interval needs 100 or more")
    _check_output(output)
    cells, faults = load_cells(store, grid)
    for fault in faults:
        progress(f"report: left out: {fault}")
    if not any(cell.result is not None for cell in cells):
        progress(f"report: not one of the {len(cells)} cells of {store} is done, so there is little to say")
    studies = _named_apart(find_studies(cells))
    material: Material | None = None
    sections: list[Section] = []

    def draw(folder: Path) -> None:
        nonlocal material
        folder.mkdir(parents=True)  # also where nothing can be drawn
        gallery = Gallery(folder, [cell.strategy for cell in cells])
        material = Material(cells, studies, references, replicates, seed, gallery)
        for study in studies:
            progress(f"report: {study.title}")
            sections.append(_of_study(study, material))
        sections.extend(page_sections(material))
        if faults:
            sections.append(Section("What was left out", "left-out", faults, []))

    write_atomically(output / FIGURES, draw)
    assert material is not None
    files = material.files
    write_atomically(output / TABLES, lambda folder: _write_tables(folder, files))
    title = f"deepcuts: {grid}" if grid else "deepcuts: report"
    html = render(title, _counts(cells), sections, references, replicates)
    write_atomically(output / PAGE, lambda path: _write_text(path, html))
    return output / PAGE


def _check_output(output: Path) -> None:
    check_output(output)
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


def _of_study(study: Study, material: Material) -> Section:
    if not study.has_results:
        return Section(study.title, study.name, ["Not one of these cells is done yet."], [])
    try:
        sentences = summarise(study, material.replicates(study))
    except UNREADABLE as error:
        sentences = [f"Nothing can be summed up: {error}."]
    return Section(study.title, study.name, sentences, study_parts(study, material))


def _counts(cells: Sequence[Cell]) -> str:
    number = {status: sum(cell.record.status == status for cell in cells) for status in ("failed", "missing")}
    done = len(cells) - sum(number.values())
    return f"{done} of {len(cells)} cells are done, {number['failed']} failed, {number['missing']} missing."


def _write_tables(folder: Path, files: dict[str, list[Row]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        write_csv(folder / f"{name}.csv", rows)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
