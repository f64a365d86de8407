"""One compressed file, for storage and transfer; see `deepcuts.deploy.export.packed_file`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepcuts.deploy.export.formats.registry import REGISTRY, Format, Source, Written, register_format
from deepcuts.deploy.export.precision import DTYPE

if TYPE_CHECKING:
    from deepcuts.masks.masks import Masks


@register_format
class Packed(Format):
    """Holds the files of the sparse format, which it is unpacked into before it is loaded."""

    name = "packed"
    help = "one compressed file, for storage and transfer"
    options = (DTYPE,)

    def write(self, source: Source, output: Path, options: Mapping[str, Any]) -> Written:
        """As `Format` describes it."""
        from deepcuts.deploy.export.folders import save_sparse
        from deepcuts.deploy.export.packed_file import pack
        from deepcuts.deploy.export.sizes import packed_sizes

        with tempfile.TemporaryDirectory(prefix="deepcuts-") as folder:
            save_sparse(source.model, source.masks, Path(folder) / "model", tokenizer=source.tokenizer)
            pack(Path(folder) / "model", output)
        return Written(packed_sizes(output))

    def recognises(self, path: Path) -> bool:
        """By being a file."""
        from deepcuts.deploy.export.packed_file import is_packed

        return is_packed(path)

    @contextmanager
    def opened(self, path: Path) -> Iterator[Path]:
        """A temporary folder in the sparse format."""
        from deepcuts.deploy.export.packed_file import unpack

        with tempfile.TemporaryDirectory(prefix="deepcuts-") as folder:
            unpack(path, Path(folder) / "model")
            yield Path(folder) / "model"

    def masks(self, folder: Path) -> Masks | None:
        """Those of the sparse format."""
        return REGISTRY["sparse"].masks(folder)
