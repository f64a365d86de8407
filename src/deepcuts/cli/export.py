"""``deepcuts export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deepcuts.deploy.export.sizes import Sizes


def export(
    run: Annotated[
        str,
        typer.Argument(help="A run folder, a saved model with zeros (dense or sparse), or a packed file."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to: a new folder, or for packed a new file.")
    ],
    format: Annotated[str, typer.Option(help="dense, sparse, packed, onnx or openvino.")] = "sparse",
    dtype: Annotated[
        str | None, typer.Option(help="fp32, fp16 or bf16 (default: as the weights are).")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="Mask file (default: the run's or file's own, or else the model's zeros)."),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
) -> None:
    """Write a pruned model in another format, and say what each part takes.

    Example:  deepcuts export run --format sparse -o run-sparse
    """
    from deepcuts.cli.common import print_table
    from deepcuts.common.progress import quiet_libraries

    quiet_libraries()
    from deepcuts.deploy.export.exporting import FORMATS
    from deepcuts.deploy.export.exporting import export as write

    made = write(run, format, output, dtype=dtype, masks=masks, trust_remote_code=trust_remote_code)
    rows = [
        _row("dense, with zeros", made.dense, made.dense),
        _row(f"{format}, as written", made.written, made.dense),
        _row("entropy limit", made.least, made.dense),
    ]
    print_table(
        f"{output}: {FORMATS[format]}",
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


def _row(title: str, sizes: Sizes, dense: Sizes) -> list[str]:
    parts = (sizes.masks, sizes.values, sizes.others, sizes.rest)
    cells = ["–" if part is None else f"{part:,}" for part in parts]
    return [title, *cells, f"{sizes.total:,}", f"{sizes.total / dense.total:.4f}"]
