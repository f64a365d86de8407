"""A folder as ``save_pretrained`` writes it, with the zeros: it loads anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepcuts.deploy.export.formats.registry import Format, Source, Written, register_format
from deepcuts.deploy.export.precision import DTYPE


@register_format
class Dense(Format):
    """Every folder with a saved model that is in no other format is in this one, so it recognises none."""

    name = "dense"
    help = "a folder as before, with zeros; loads anywhere"
    options = (DTYPE,)

    def write(self, source: Source, output: Path, options: Mapping[str, Any]) -> Written:
        """As `Format` describes it."""
        from deepcuts.deploy.export.folders import save_dense
        from deepcuts.deploy.export.sizes import dense_folder_sizes

        save_dense(source.model, output, tokenizer=source.tokenizer)
        return Written(dense_folder_sizes(output, source.model, source.masks))
