"""What a section of the page is made from, and the one list of all sections.

A study's chapter is put together from parts (`study_part`), the rest of the page from whole chapters
(`page_section`). Each stands in a file of its own, with its figures and tables, and says where it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from deepcuts.common import plugins
from deepcuts.common.errors import DataError, FileFormatError, InputError, MismatchError
from deepcuts.report.analysis.differences import Replicates, replicate
from deepcuts.report.analysis.studies import Row, Study
from deepcuts.report.cells import Cell
from deepcuts.report.figures import Gallery
from deepcuts.report.page.parts import Part, Section


@dataclass
class Material:
    """What sections are made from, and where their figures and rows go.

    Attributes:
        cells: The cells of the report.
        studies: The same, sorted into studies.
        references: Strategies that others are compared with.
        count: Bootstrap replicates of an interval.
        seed: Seed of the bootstrap.
        gallery: Takes the figures.
        files: Name of a CSV file → its rows.
    """

    cells: Sequence[Cell]
    studies: Sequence[Study]
    references: Sequence[str]
    count: int
    seed: int
    gallery: Gallery
    files: dict[str, list[Row]] = field(default_factory=dict)
    _replicates: dict[str, Replicates] = field(default_factory=dict)

    def add_rows(self, name: str, rows: Iterable[Row]) -> None:
        """Add rows to a CSV file."""
        self.files.setdefault(name, []).extend(rows)

    def replicates(self, study: Study) -> Replicates:
        """Measures on resamples of a study's dev rows, made once."""
        if study.name not in self._replicates:
            self._replicates[study.name] = replicate(study, self.count, self.seed)
        return self._replicates[study.name]


#: Errors of files that can't be read, or contradict each other; the rest of a report does without them.
UNREADABLE = (FileFormatError, MismatchError, InputError, DataError)

StudyPart = Callable[[Study, Material], list[Part]]
PageSection = Callable[[Material], list[Section]]

_STUDY_PARTS: list[tuple[float, bool, StudyPart]] = []
_PAGE_SECTIONS: list[tuple[float, PageSection]] = []


def study_part(*, order: float, of_variants: bool = False) -> Callable[[StudyPart], StudyPart]:
    """Register a function that makes parts of each study's chapter.

    Args:
        order: Those with a lower one come before it.
        of_variants: Whether it is asked too where no cell with the usual options is done.
    """

    def register(function: StudyPart) -> StudyPart:
        _STUDY_PARTS.append((order, of_variants, function))
        return function

    return register


def page_section(*, order: float) -> Callable[[PageSection], PageSection]:
    """Register a function that makes chapters below those of the studies; lower orders come first."""

    def register(function: PageSection) -> PageSection:
        _PAGE_SECTIONS.append((order, function))
        return function

    return register


def study_parts(study: Study, material: Material) -> list[Part]:
    """All parts of a study's chapter, in their order."""
    plugins.load()
    parts: list[Part] = []
    for _, of_variants, function in sorted(_STUDY_PARTS, key=lambda one: one[0]):
        if study.done or of_variants:
            try:
                parts += function(study, material)
            except UNREADABLE as error:
                parts.append(Part("Left out", [], [], f"A part can't be made of these files: {error}"))
    return parts


def page_sections(material: Material) -> list[Section]:
    """All chapters below those of the studies, in their order."""
    plugins.load()
    sections: list[Section] = []
    for number, (_, function) in enumerate(sorted(_PAGE_SECTIONS, key=lambda one: one[0])):
        try:
            sections += function(material)
        except UNREADABLE as error:
            why = f"A chapter can't be made of these files: {error}"
            sections.append(Section("Left out", f"left-out-{number}", [why], []))
    return sections
