"""Reads files of a word a line with its tags, CoNLL and CoNLL-U, in which a sentence is a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from deepcuts.common.errors import DataError

#: The columns of CoNLL-U (https://universaldependencies.org/format.html).
CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
#: What the first and the last column of a CoNLL file are called beside their numbers, which count from 1.
FIRST, LAST = "token", "tag"
_DOCUMENT = "-DOCSTART-"

Sentences = tuple[list[str], list[Sequence[Any]]]


def read_conll(text: str, where: str) -> Sentences:
    """Sentences of a CoNLL file: a word a line, columns with tabs or else spaces between them.

    A line that is blank, or holds tabs alone, ends a sentence. One that begins with ``-DOCSTART-`` is none.

    Args:
        text: The file's.
        where: What errors call it.

    Returns:
        The columns' names, ``1``, ``2``, …, and again ``token`` for the first and ``tag`` for the last; and
        for each sentence, of each column, a list with what it holds of every word.

    Raises:
        DataError: A line has one column, or another number than the first.
    """
    found: list[list[list[str]]] = [[]]
    count = 0
    for number, line in _lines(text):
        fields = line.split("\t") if "\t" in line.strip() else line.split()
        if fields and fields[0] == _DOCUMENT:
            continue
        if not line.strip():
            found.append([])
            continue
        count = count or len(fields)
        if len(fields) != max(count, 2):
            least = "at least 2 are needed" if count < 2 else f"the first line has {count}"
            raise DataError(f"{where}, line {number}: has {len(fields)} columns, but {least}")
        found[-1].append(fields)
    names = [*map(str, range(1, count + 1)), FIRST, LAST]
    return names, [[*columns, columns[0], columns[-1]] for columns in _columns(found)]


def read_conllu(text: str, where: str) -> Sentences:
    """Sentences of a CoNLL-U file, whose ten columns are called as in its definition, in small letters.

    Comments, ranges of words (``3-4``) and empty words (``5.1``) are left out.

    Args:
        text: The file's.
        where: What errors call it.

    Raises:
        DataError: A line has not ten columns.
    """
    found: list[list[list[str]]] = [[]]
    for number, line in _lines(text):
        if line.startswith("#"):
            continue
        if not line.strip():
            found.append([])
            continue
        fields = line.split("\t")
        if len(fields) != len(CONLLU):
            raise DataError(
                f"{where}, line {number}: has {len(fields)} columns, but CoNLL-U has {len(CONLLU)} with tabs"
            )
        if fields[0].isdecimal():
            found[-1].append(fields)
    return list(CONLLU), _columns(found)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        yield number, line.removesuffix("\r")


def _columns(sentences: list[list[list[str]]]) -> list[Sequence[Any]]:
    return [list(map(list, zip(*words, strict=True))) for words in sentences if words]
