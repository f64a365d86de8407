"""``deepcuts predict``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from deepcuts.common.errors import InputError


def predict(
    model: Annotated[str, typer.Argument(help="A run folder, a saved model, a packed file, or a Hub name.")],
    text: Annotated[
        list[str] | None, typer.Argument(help="Texts; by default a line each from standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Texts, a line each; or .jsonl with 'text' and, for pairs, 'pair'.")
    ] = None,
    pair: Annotated[
        bool, typer.Option("--pair", help="Two texts belong together: two arguments, or a line with a tab.")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Texts a batch.")] = 32,
    max_length: Annotated[int, typer.Option(help="Tokens of a text at most.")] = 128,
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
    texts = _texts(text, file, pair)
    from deepcuts.common.progress import quiet_libraries

    quiet_libraries()
    from deepcuts.deploy.export.source import load_pruned
    from deepcuts.deploy.prediction import for_inference, predict_texts
    from deepcuts.deploy.runtime import choices_of

    loaded, tokenizer = load_pruned(model, trust_remote_code=trust_remote_code)
    ready = for_inference(loaded, runtime)  # type: ignore[arg-type]
    typer.echo(f"runtime: {choices_of(ready) or 'all layers run dense'}", err=True)
    for found in predict_texts(ready, tokenizer, texts, batch_size=batch_size, max_length=max_length):
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False))


def _texts(given: list[str] | None, file: Path | None, pair: bool) -> Iterator[Any]:
    """Texts, or pairs of them, from wherever they come; what can be checked is, before a model is loaded."""
    if given:
        if pair and len(given) % 2:
            raise InputError("text", len(given), "with --pair there must be an even number of texts")
        return iter(list(zip(given[::2], given[1::2], strict=True)) if pair else given)
    if file is None:
        return _lines(sys.stdin, "standard input", pair)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file", str(file), f"it must be a readable text file ({error})") from None
    if file.suffix == ".jsonl":
        return iter([_parsed(line, f"{file}:{number}") for number, line in enumerate(lines, 1)])
    return iter(list(_lines(lines, str(file), pair)))


def _lines(lines: Any, where: str, pair: bool) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        content = line.rstrip("\r\n")
        parts = content.split("\t")
        if pair and len(parts) != 2:
            raise InputError(f"{where}:{number}", content, "with --pair it must be two texts with a tab")
        yield tuple(parts) if pair else content


def _parsed(line: str, where: str) -> Any:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    text, other = (row.get("text"), row.get("pair")) if isinstance(row, dict) else (None, None)
    if not isinstance(text, str) or not (other is None or isinstance(other, str)):
        raise InputError(where, line, "it must be a JSON object with a string 'text', and maybe 'pair'")
    return text if other is None else (text, other)
