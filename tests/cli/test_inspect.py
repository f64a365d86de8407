from __future__ import annotations

import torch

from deepcuts import Masks
from deepcuts.cli.inspect import counts_by_layer


def test_weights_are_counted_by_numbered_layer_or_by_module() -> None:
    yes, no = torch.tensor([True]), torch.tensor([False, True, True])
    masks = Masks(
        {"encoder.layer.0.a.weight": no, "encoder.layer.0.a.bias": yes, "encoder.layer.11.b.weight": ~no,
         "pooler.dense.weight": no, "pooler.dense.bias": yes, "bare": yes, "3.weight": no}
    )  # fmt: skip
    assert counts_by_layer(masks) == {
        "layer 0": (4, 3), "layer 11": (3, 1), "pooler.dense": (4, 3), "bare": (1, 1), "layer 3": (3, 2)
    }  # fmt: skip
