"""Files of every format, changed under a digest that is right again, and the ways to change them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pruned_models import pruned_run
from torch import Tensor

from deepcuts import Masks, load_pruned
from deepcuts.common import tensor_file
from deepcuts.common.errors import FileFormatError
from deepcuts.deploy.export.folders import save_sparse
from deepcuts.deploy.export.packed_file import pack
from deepcuts.scoring.scores import Scores
from deepcuts.scoring.strategy import Strategy

Header = dict[str, Any]
Change = Callable[[dict[str, Tensor], Header], None]


def a_file_of_each(folder: Path) -> Path:
    """The folder, with a file of each format in it: run, sparse, packed, scores, masks."""
    run = pruned_run(folder / "run")
    model, tokenizer = load_pruned(run)
    save_sparse(model, Masks.load(run / "masks.safetensors"), folder / "sparse", tokenizer=tokenizer)
    pack(folder / "sparse", folder / "packed")
    Scores({"a": torch.arange(3.0), "b": torch.ones(2, 2)}, Strategy.parse("LayerMagWeight")).save(
        folder / "scores"
    )
    Masks({"a": torch.tensor([[True, False, True]]), "b": torch.ones(16, dtype=torch.bool)}).save(
        folder / "masks"
    )
    return folder


def crafted(made: Path, target: Path, name: str, kind: str, change: Change) -> Path:
    """The file of one format, changed, under a digest of what it holds now."""
    tensors, header = tensor_file.load(made / name, kind)
    change(tensors, header)
    tensor_file.save(target, kind, tensors, {k: v for k, v in header.items() if k not in ("kind", "format")})
    return target


def peak(work: Callable[[], Any]) -> int:
    """The most bytes that Python and NumPy held during some work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(work: Callable[[], Any], match: str = ".") -> None:
    """The work ends in one error of ours, and takes no memory to speak of."""

    def do() -> None:
        with pytest.raises(FileFormatError, match=match):
            work()

    assert peak(do) < 16e6  # 8 MiB are of the decoder of xz


def of_header(name: str, value: Any) -> Change:
    return lambda tensors, header: header.__setitem__(name, value)


def without(name: str) -> Change:
    return lambda tensors, header: header.pop(name)
