"""``deepcuts export``: its options are those that the chosen format declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deepcuts.deploy.export.sizes import Sizes

_DEFAULT = "sparse"


def export(
    run: Annotated[
        str,
        typer.Argument(help="A run folder, a saved model with zeros (dense or sparse), or a packed file."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to: a new folder, or for packed a new file.")
    ],
    masks: Annotated[
        Path | None,
        typer.Option(help="Mask file (default: the run's or file's own, or else the model's zeros)."),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
    **given: Any,
) -> None:
    """Write a pruned model in another format, and say what each part takes.

    Example:  deepcuts export run --format sparse -o run-sparse

    With --format, --help shows the options of that format.
    """
    from deepcuts.cli.common import print_table
    from deepcuts.common.progress import quiet_libraries

    quiet_libraries()
    from deepcuts.deploy.export.exporting import export as write
    from deepcuts.deploy.export.formats import format_named

    format = given.pop("format") or _DEFAULT
    made = write(run, format, output, masks=masks, trust_remote_code=trust_remote_code, **given)
    rows = [
        _row("dense, with zeros", made.dense, made.dense),
        _row(f"{format}, as written", made.written, made.dense),
        _row("entropy limit", made.least, made.dense),
    ]
    print_table(
        f"{output}: {format_named(format).help}",
        [
            "bytes",
            "masks",
            "weights of pruned tensors",
            "other weights",
            "names, config, tokenizer",
            "all",
            "of dense",
        ],
        rows,
        "\n".join(
            [
                f"{made.density:.4f} of the weights of pruned tensors are kept. The limit: n · H(density) "
                "bits a mask, if it follows no pattern, and the kept weights uncompressed.",
                *made.notes,
            ]
        ),
    )


def complete(arguments: Sequence[str]) -> Callable[..., None]:
    """The command with the options of the format that its command line names.

    Args:
        arguments: The command line.

    Raises:
        InputError: There is no such format.
    """
    from deepcuts.cli.options import named, with_options
    from deepcuts.common.options import Option
    from deepcuts.deploy.export.formats import all_formats, format_named

    name = named(arguments, "format") or _DEFAULT
    chosen = format_named(name)
    each = "; ".join(f"{one.name}: {one.help}" for one in all_formats().values())
    format = Option("format", str, _DEFAULT, f"{each}.")
    return with_options(export, {"Format": (format,), f"Options of the format {name}": chosen.options})


def _row(title: str, sizes: Sizes, dense: Sizes) -> list[str]:
    parts = (sizes.masks, sizes.values, sizes.others, sizes.rest)
    cells = ["–" if part is None else f"{part:,}" for part in parts]
    return [title, *cells, f"{sizes.total:,}", f"{sizes.total / dense.total:.4f}"]
