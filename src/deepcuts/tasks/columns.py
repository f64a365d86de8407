"""Reads columns of CSV, TSV, JSON lines and Parquet files as they stand: no type or "NA" is guessed.

Nothing here unpickles, evaluates or downloads anything.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepcuts.common.errors import DataError, brief
from deepcuts.common.json_text import parse
from deepcuts.common.text_lines import decode, encoding_fault
from deepcuts.tasks.sentences import read_conll, read_conllu
from deepcuts.tasks.task import Origin, Unit

#: Characters of a field of a CSV file; Python's own limit is that of a long article.
_LONGEST = 2**31 - 1

Columns = dict[str, list[Any]]
Table = tuple[list[str], list[Sequence[Any]]]  # the columns' names, and the rows in their order


def read_columns(path: Path, wanted: Sequence[str]) -> tuple[Columns, Origin]:
    """Read some columns of a file whose format its suffix tells, in whatever case.

    ``.csv``: a header row, commas, standard quoting with ``"``. ``.tsv``: a header row and a plain split
    on tab, as GLUE has it: ``"`` is part of the text and a line is a row. ``.jsonl``, ``.ndjson``,
    ``.json``: one object a line, or one list of objects; a key an object lacks is None. ``.parquet``.
    ``.conll`` (``.bio``, ``.iob``) and ``.conllu``: a word a line and a sentence a row, see
    `deepcuts.tasks.sentences`. Text is UTF-8, with or without a byte order mark.

    Args:
        path: The file.
        wanted: Names of the columns. A name that no column has, but parts of which with commas between them
            all are columns, stands for these together.

    Returns:
        Column name → one value per row: strings from CSV and TSV, what the file holds from the others, for
        several columns together a mapping of each one's name to its value; and how errors name the rows.

    Raises:
        DataError: The file is missing, unreadable, of another format or encoding, without rows or
            without a wanted column.
    """
    if path.suffix.lower() not in _READERS:
        raise DataError(f"{path}: the suffix is {path.suffix!r}, but it must be one of {', '.join(_READERS)}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise DataError(f"{path}: is empty")
    read, unit, first = _READERS[path.suffix.lower()]
    if path.suffix.lower() == ".json" and _begins_a_list(path):
        read, unit = _read_json_list, "row"
    origin = Origin(str(path), unit, first)
    try:
        names, rows = read(path, origin)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {encoding_fault(error)}") from None
    except (OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: can't be read ({brief(error)})") from None

    asked = {name: [name] if name in names else name.split(",") for name in wanted}
    for name in dict.fromkeys(name for parts in asked.values() for name in parts):
        if any(parts.count(name) > 1 for parts in asked.values()):
            raise DataError(f"{path}: column {name!r} is asked for twice")
        if names.count(name) != 1:
            problem = "has no column" if name not in names else "has more than one column"
            raise DataError(f"{path}: {problem} {name!r}; its columns are {', '.join(map(repr, names))}")
    for index, row in enumerate(rows):
        if len(row) != len(names):
            raise DataError(f"{origin.at(index)}: has {len(row)} fields, but the header has {len(names)}")
    if not rows:
        raise DataError(f"{path}: holds no rows")
    return {name: _values(rows, {part: names.index(part) for part in asked[name]}) for name in wanted}, origin


def _values(rows: Sequence[Sequence[Any]], places: Mapping[str, int]) -> list[Any]:
    if len(places) == 1:
        (place,) = places.values()
        return [row[place] for row in rows]
    return [{name: row[place] for name, place in places.items()} for row in rows]


def _text(path: Path) -> str:
    # Bytes first: universal newlines would turn a carriage return inside a text into a line break.
    return decode(path.read_bytes())


def _read_csv(path: Path, origin: Origin) -> Table:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    before = csv.field_size_limit(_LONGEST)
    try:
        rows: list[Sequence[str]] = [row for row in reader if row]  # a blank line is an empty list
    except csv.Error as error:
        raise DataError(f"{origin.name}, line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(before)
    return (list(rows[0]), rows[1:]) if rows else ([], [])


def _read_tsv(path: Path, origin: Origin) -> Table:
    lines = _text(path).split("\n")
    if not lines[-1]:
        lines.pop()
    if lines and lines[0].endswith("\r"):
        lines = [line.removesuffix("\r") for line in lines]
    rows: list[Sequence[str]] = [line.split("\t") for line in lines]
    return (list(rows[0]), rows[1:]) if rows else ([], [])


def _read_json_lines(path: Path, origin: Origin) -> Table:
    text = _text(path)
    records: list[dict[str, Any]] = []
    for index, line in enumerate(text.rstrip().split("\n")):
        try:
            record = parse(line, with_nan=True)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{origin.at(index)}: is not JSON ({brief(error)}); one object a line") from None
        if not isinstance(record, dict):
            raise DataError(f"{origin.at(index)}: is not a JSON object; one object a line is expected")
        records.append(record)
    names = list(dict.fromkeys(name for record in records for name in record))
    return names, [[record.get(name) for name in names] for record in records]


def _begins_a_list(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
        while not start and (more := file.read(1024)):
            start = more.lstrip()
    return start.startswith(b"[")


def _read_json_list(path: Path, origin: Origin) -> Table:
    try:
        records = parse(_text(path), with_nan=True)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{origin.name}: is not JSON ({brief(error)}); a list of objects is expected"
        ) from None
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise DataError(f"{origin.at(index)}: is {record!r:.40}, but an object is expected")
    names = list(dict.fromkeys(name for record in records for name in record))
    return names, [[record.get(name) for name in names] for record in records]


def _read_parquet(path: Path, origin: Origin) -> Table:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        table = file.read()
    return list(table.column_names), list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _read_sentences(read: Callable[[str, str], Table]) -> _Reader:
    return lambda path, origin: read(_text(path), origin.name)


_Reader = Callable[[Path, Origin], Table]
_READERS: dict[str, tuple[_Reader, Unit, int]] = {
    ".csv": (_read_csv, "row", 1),
    ".tsv": (_read_tsv, "line", 2),
    ".jsonl": (_read_json_lines, "line", 1),
    ".ndjson": (_read_json_lines, "line", 1),
    ".json": (_read_json_lines, "line", 1),
    ".parquet": (_read_parquet, "row", 1),
    ".conll": (_read_sentences(read_conll), "sentence", 1),
    ".bio": (_read_sentences(read_conll), "sentence", 1),
    ".iob": (_read_sentences(read_conll), "sentence", 1),
    ".conllu": (_read_sentences(read_conllu), "sentence", 1),
}
