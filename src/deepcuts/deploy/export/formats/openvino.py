"""OpenVINO: a dense runtime's file, which computes with the zeros like with any other number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepcuts.common.errors import InputError
from deepcuts.deploy.export.formats.registry import Format, Source, Written, register_format
from deepcuts.deploy.export.precision import FLOAT32


@register_format
class OpenVino(Format):
    """Can't be read back: it holds a program, not a model of Transformers."""

    name = "openvino"
    help = "openvino_model.xml for OpenVINO, checked against PyTorch"
    options = (FLOAT32,)

    def check(self) -> None:
        """The extra must be installed."""
        from deepcuts.deploy.export.dense_runtimes import check_installed

        check_installed(self.name)

    def write(self, source: Source, output: Path, options: Mapping[str, Any]) -> Written:
        """As `Format` describes it."""
        from deepcuts.deploy.export.dense_runtimes import NOTE, save_openvino
        from deepcuts.deploy.export.sizes import other_sizes

        difference = save_openvino(source.model, output, tokenizer=source.tokenizer)
        said = f"Outputs differ from PyTorch's by {difference:.1e} at most."
        return Written(other_sizes(output), (said, NOTE))

    def recognises(self, path: Path) -> bool:
        """By its file, where there are no weights for PyTorch beside it."""
        return (path / "openvino_model.xml").is_file() and not (path / "model.safetensors").is_file()

    @contextmanager
    def opened(self, path: Path) -> Iterator[Path]:
        """Refused.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "run", str(path), "a model for OpenVINO can't be read back; name what it was made from"
        )
        yield path
