"""A folder with one bit a weight and the kept values; see `deepcuts.models.sparse_checkpoint`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepcuts.deploy.export.formats.registry import Format, Source, Written, register_format
from deepcuts.deploy.export.precision import DTYPE

if TYPE_CHECKING:
    from deepcuts.masks.masks import Masks


@register_format
class Sparse(Format):
    """Loads with Transformers where deepcuts is installed."""

    name = "sparse"
    help = "a folder with one bit a weight and the kept values; loads with deepcuts installed"
    options = (DTYPE,)

    def write(self, source: Source, output: Path, options: Mapping[str, Any]) -> Written:
        """As `Format` describes it."""
        from deepcuts.deploy.export.folders import save_sparse
        from deepcuts.deploy.export.packed_file import is_packed, unpack
        from deepcuts.deploy.export.sizes import sparse_sizes

        if source.unchanged is not None and is_packed(source.unchanged):
            unpack(source.unchanged, output)  # the very files that were packed
        else:
            save_sparse(source.model, source.masks, output, tokenizer=source.tokenizer)
        return Written(sparse_sizes(output))

    def recognises(self, path: Path) -> bool:
        """By what its config says."""
        from deepcuts.models.sparse_checkpoint import is_sparse

        return is_sparse(path)

    def masks(self, folder: Path) -> Masks | None:
        """The masks in the file."""
        from deepcuts.masks.masks import Masks
        from deepcuts.models.sparse_checkpoint import read_sparse

        return Masks.from_bits(read_sparse(folder).masks)
