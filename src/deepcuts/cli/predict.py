"""``deepcuts predict``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from deepcuts.common.errors import InputError, brief
from deepcuts.common.json_text import parse
from deepcuts.common.shown import json_line
from deepcuts.common.text_lines import lines_of, open_text


def predict(
    model: Annotated[str, typer.Argument(help="A run folder, a saved model, a packed file, or a Hub name.")],
    text: Annotated[
        list[str] | None, typer.Argument(help="Texts; by default a line each from standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Texts, a line each; or .jsonl or .json with 'text' and maybe 'pair'.")
    ] = None,
    pair: Annotated[
        bool,
        typer.Option(
            "--pair",
            help="Two texts belong together: two arguments, a line with a tab, a row with a 'pair'.",
        ),
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Texts a batch.")] = 32,
    max_length: Annotated[
        int | None, typer.Option(help="Tokens of a text at most (default: as the model was trained, or 128).")
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="auto, sparse or dense: auto takes the sparse runtime where it is faster.")
    ] = "auto",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
) -> None:
    """Predict texts: JSON lines with labels and scores, a value, or what the kind of task says.

    Example:  deepcuts predict run "What a lovely film." "What a waste of time."
    """
    if runtime not in ("auto", "sparse", "dense"):
        raise InputError("runtime", runtime, "it must be auto, sparse or dense")
    if text and file is not None:
        raise InputError("file", str(file), "texts are given as arguments already")
    from deepcuts.tasks.lengths import LEAST, length_for, length_note

    for name, value, least in (("batch_size", batch_size, 1), ("max_length", max_length, LEAST)):
        if value is not None and value < least:
            raise InputError(name, value, f"it must be {least} or more")
    from deepcuts.cli.common import texts_of_run

    texts = _texts(text, file, pair, texts_of_run(Path(model)))
    from deepcuts.common.progress import quiet_libraries

    quiet_libraries()
    from deepcuts.deploy.export.source import load_pruned
    from deepcuts.deploy.prediction import for_inference, predict_texts
    from deepcuts.deploy.runtime import choices_of

    loaded, tokenizer = load_pruned(model, trust_remote_code=trust_remote_code)
    ready = for_inference(loaded, runtime)  # type: ignore[arg-type]
    typer.echo(f"runtime: {choices_of(ready) or 'all layers run dense'}", err=True)
    length = length_for(max_length, tokenizer, loaded)
    for note in length_note(max_length, length):
        typer.echo(f"length: {note}", err=True)
    cut = 0
    for found in predict_texts(ready, tokenizer, texts, batch_size=batch_size, max_length=max_length):
        typer.echo(_line(found.as_json()))
        cut += found.is_cut
    if cut:
        typer.echo(f"length: {cut:,} texts were cut to {length} tokens", err=True)


def _line(found: dict[str, Any]) -> str:
    """One line of JSON, in the characters that standard output has."""
    line = json_line(json.dumps(found, ensure_ascii=False, allow_nan=False))
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(found)
    return line


def _texts(given: list[str] | None, file: Path | None, pair: bool, trained_on: int | None) -> Iterator[Any]:
    """Texts, or pairs of them, from wherever they come; what can be checked is, before a model is loaded.

    Args:
        given: Those of the command line.
        file: Where they are else; None for standard input.
        pair: Whether two texts belong together.
        trained_on: How many texts a row of the run has; None where that is not known.
    """
    if file is not None:
        _check_suffix(file, pair)
        try:
            with open_text(file) as opened:
                lines = list(lines_of(opened, str(file)))
        except OSError as error:
            raise InputError("file", str(file), f"it must be a readable text file ({brief(error)})") from None
        if file.suffix.lower() in (".jsonl", ".ndjson", ".json"):
            return _rows(_parsed(lines, file), file, 2 if pair else None, trained_on)
    if trained_on is not None and trained_on != 1 + pair:
        must = "must be given for a run of pairs" if trained_on == 2 else "is not for a run of single texts"
        raise InputError("pair", pair, f"--pair {must}")
    if given:
        if pair and len(given) % 2:
            raise InputError("text", len(given), "with --pair there must be an even number of texts")
        for number, text in enumerate(given, 1):
            _check_unicode(text, f"text {number}")
        return iter(list(zip(given[::2], given[1::2], strict=True)) if pair else given)
    if file is None:
        return _lines(lines_of(sys.stdin, "standard input"), "standard input", pair)
    return iter(list(_lines(lines, str(file), pair)))


def _check_suffix(file: Path, pair: bool) -> None:
    """Refuse tables: their header, and their other columns, would be texts."""
    suffix = file.suffix.lower()
    if suffix in (".csv", ".parquet") or (suffix == ".tsv" and not pair):
        pairs = "; with --pair, lines with a tab are pairs" if suffix == ".tsv" else ""
        raise InputError(
            "file", str(file), f"a table is none of what is read: a text a line, .jsonl or .json{pairs}"
        )


def _lines(lines: Iterable[str], where: str, pair: bool) -> Iterator[Any]:
    for number, content in enumerate(lines, 1):
        _check_unicode(content, f"{where}:{number}")
        parts = content.split("\t")
        if pair and len(parts) != 2:
            raise InputError(f"{where}:{number}", content, "with --pair it must be two texts with a tab")
        yield tuple(parts) if pair else content


def _rows(
    rows: Iterable[tuple[str, Any]], file: Path, asked: int | None, trained_on: int | None
) -> Iterator[Any]:
    """Those of JSON: all single, or all pairs, as one batch is."""
    words = {1: "a single text", 2: "a pair"}
    found = []
    first = None
    for where, content in rows:
        row = _row(content, where)
        count = 1 if isinstance(row, str) else 2
        first = first or count
        for right, why in (
            (asked, "with --pair it must be"),
            (trained_on, "each row of this run is"),
            (first, "the first line is"),
        ):
            if right is not None and count != right:
                raise InputError(where, content, f"it is {words[count]}, and {why} {words[right]}")
        found.append(row)
    return iter(found)


def _parsed(lines: list[str], file: Path) -> Iterator[tuple[str, Any]]:
    """Where each row stands, and what it is: one a line, or all in one list."""
    whole = "\n".join(lines)
    if file.suffix.lower() == ".json" and whole.lstrip().startswith("["):
        try:
            rows = parse(whole)
        except (ValueError, RecursionError) as error:
            raise InputError(
                "file", str(file), f"it must be a list of JSON objects ({brief(error)})"
            ) from None
        yield from ((f"{file}, row {number}", row) for number, row in enumerate(rows, 1))
        return
    for number, line in enumerate(lines, 1):
        try:
            yield f"{file}:{number}", parse(line)
        except (ValueError, RecursionError):
            yield f"{file}:{number}", line


def _row(row: Any, where: str) -> Any:
    text, other = (row.get("text"), row.get("pair")) if isinstance(row, dict) else (None, None)
    if not isinstance(text, str) or not (other is None or isinstance(other, str)):
        raise InputError(where, row, "it must be a JSON object with a string 'text', and maybe 'pair'")
    for one in (text, other or ""):
        _check_unicode(one, where)
    return text if other is None else (text, other)


def _check_unicode(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no tokenizer takes
        raise InputError(where, text, "it must be valid Unicode") from None
