"""``export``: a pruned model from any form into any other, with the sizes of its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deepcuts.common.errors import InputError
from deepcuts.common.files import check_output
from deepcuts.common.options import checked_values
from deepcuts.deploy.export.formats import format_named
from deepcuts.deploy.export.precision import change_precision, dtype_named
from deepcuts.deploy.export.sizes import Sizes, dense_sizes, least_sizes
from deepcuts.deploy.export.source import load_source


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Attributes:
        dense: Sizes of the model's weights before, zeros included.
        written: Sizes of what was written.
        least: The entropy limit.
        density: Share of kept weights in the pruned tensors.
        notes: What else there is to know, a sentence each.
    """

    dense: Sizes
    written: Sizes
    least: Sizes
    density: float
    notes: list[str]


def export(
    path: str,
    format: str,
    output: str | Path,
    *,
    masks: str | Path | None = None,
    trust_remote_code: bool = False,
    **options: Any,
) -> Exported:
    """Write a pruned model in another format.

    Args:
        path: A run folder; a saved model, dense or in the sparse format; a packed file; a name on the Hub; or
            what else a format recognises.
        format: The name of a format, see `deepcuts.deploy.export.formats`.
        output: Where to: a folder, or for ``packed`` a file. Nothing may be there.
        masks: A mask file; see `deepcuts.deploy.export.source.load_source` for what is taken without one.
        trust_remote_code: Whether code that comes with the model may run.
        options: The format's own, such as ``dtype`` (``"fp32"``, ``"fp16"`` or ``"bf16"``); None is as if it
            weren't given.

    Raises:
        InputError: An argument has a value that is not allowed, or a weight is too large for ``dtype``.
        DeepcutsError: See `load_source` and the formats.
    """
    output = Path(output)
    chosen = format_named(format)
    given = {name: value for name, value in options.items() if value is not None}
    values = checked_values(chosen.options, given)
    chosen.check()
    check_output(output)
    if output.exists():
        raise InputError("output", str(output), "it exists already; name another, or remove it")
    source = load_source(
        path, masks=Path(masks) if masks is not None else None, trust_remote_code=trust_remote_code
    )
    dense = dense_sizes(source.model, source.masks)
    notes = []
    dtype = values.get("dtype")
    if dtype is not None:
        vanished = change_precision(source.model, dtype_named(dtype))
        source = replace(source, unchanged=None)
        if vanished:
            notes.append(
                f"{vanished:,} weights are too small for {dtype} and became 0; those kept stay kept."
            )
    written = chosen.write(source, output, values)
    least = least_sizes(source.model, source.masks)
    return Exported(dense, written.sizes, least, source.masks.density, [*notes, *written.notes])
