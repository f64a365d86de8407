from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor

from deepcuts.deploy.bench.cuda_graphs import with_graphs
from deepcuts.deploy.bench.torch_runner import runner


def arrays(batch: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in batch.items() if name != "labels"}


def test_each_shape_is_captured_once_and_replayed_with_the_batch_at_hand() -> None:
    """On the CPU, with a stand-in for the graph: it computes again what was captured, in place."""
    captured: list[Tensor] = []

    def capture(compute: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        output = torch.full_like(compute(), torch.nan)  # a graph computes nothing while it is captured
        captured.append(output)
        return lambda: output.copy_(compute()), output

    model = tiny("bert")
    plain = runner(model)
    fast = with_graphs(model, "cpu", capture)
    first, second, third = (arrays(batch) for batch in tiny_batches(model))
    shorter = {name: values[:2, :5].copy() for name, values in third.items()}
    kept = {name: values.copy() for name, values in first.items()}
    for batch in (first, second, shorter, third, first):
        np.testing.assert_allclose(fast(batch), plain(batch), rtol=1e-5)
    assert len(captured) == 2
    assert all((first[name] == kept[name]).all() for name in kept)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_graphs_give_what_the_model_gives() -> None:
    model = tiny("bert").cuda()
    plain, fast = runner(model, "cuda"), with_graphs(model)
    for batch in map(arrays, [*tiny_batches(model), *tiny_batches(model, size=2)]):
        np.testing.assert_allclose(fast(batch), plain(batch), rtol=1e-4, atol=1e-5)
