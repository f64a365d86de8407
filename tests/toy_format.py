"""An export format from outside of the package: one file of kept values in a list, a tensor a line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepcuts.common.options import Option
from deepcuts.deploy.export.formats import Format, Source, Written, register_format

SUFFIX = ".toy"


@register_format
class Toy(Format):
    """Keeps what it needs to be read back: config, tokenizer, and every tensor as JSON."""

    name = "toy"
    help = "lines of JSON, for the tests"
    options = (Option("digits", int, 9, "Significant digits of each number.", at_least=1, at_most=9),)

    def write(self, source: Source, output: Path, options: Mapping[str, Any]) -> Written:
        """One line for the config, one for the tokenizer's files, one for each tensor."""
        from deepcuts.deploy.export.sizes import other_sizes

        with tempfile.TemporaryDirectory() as folder:
            source.tokenizer.save_pretrained(folder)
            files = {path.name: path.read_text() for path in Path(folder).iterdir()}
        tensors = [
            [
                name,
                list(tensor.shape),
                [float(f"{x:.{options['digits']}g}") for x in tensor.flatten().tolist()],
            ]
            for name, tensor in source.model.state_dict().items()
        ]
        lines = [source.model.config.to_dict(), files, *tensors]
        output.write_text("\n".join(json.dumps(line, default=str) for line in lines))
        return Written(other_sizes(output), (f"Written with {options['digits']} digits.",))

    def recognises(self, path: Path) -> bool:
        return path.suffix == SUFFIX and path.is_file()

    @contextmanager
    def opened(self, path: Path) -> Iterator[Path]:
        import torch
        from safetensors.torch import save_file

        config, files, *tensors = map(json.loads, path.read_text().splitlines())
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_text(json.dumps(config))
            for name, content in files.items():
                (Path(folder) / name).write_text(content)
            loaded = {name: torch.tensor(values).reshape(shape) for name, shape, values in tensors}
            save_file(loaded, Path(folder) / "model.safetensors", {"format": "pt"})
            yield Path(folder)
