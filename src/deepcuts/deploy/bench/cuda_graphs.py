"""A model whose kernels are started as one CUDA graph a shape, instead of one by one from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepcuts.deploy.bench.ways.registry import Batch, Runner
from deepcuts.models.purpose import predictions_of

Compute = Callable[[], Tensor]
#: What does a computation again, with whatever its inputs hold then, and the tensor its result is written to.
Captured = tuple[Callable[[], object], Tensor]

_WARM_UP = 3  # as PyTorch's documentation does: libraries choose their kernels in the first calls


def with_graphs(
    model: nn.Module, device: str = "cuda", capture: Callable[[Compute], Captured] | None = None
) -> Runner:
    """A way to run a model through CUDA graphs: one for each shape, captured when it is first seen.

    Args:
        model: On the device, in evaluation mode. Nothing in its forward pass may depend on values of tensors.
        device: Where it is.
        capture: Captures a computation; by default as a CUDA graph.
    """
    taken = capture or _capturer()
    seen: dict[tuple[Any, ...], tuple[dict[str, Tensor], Captured]] = {}

    @torch.inference_mode()
    def run(batch: Batch) -> np.ndarray[Any, Any]:
        key = tuple((name, values.shape) for name, values in batch.items())
        if key not in seen:
            # Copies: what the graph reads is written over, and must not be the caller's own array.
            fixed = {name: torch.tensor(values, device=device) for name, values in batch.items()}
            seen[key] = fixed, taken(lambda: _logits(model, fixed))
        fixed, (replay, output) = seen[key]
        for name, values in batch.items():
            fixed[name].copy_(torch.from_numpy(values))
        replay()
        return output.float().cpu().numpy()

    return Runner(run)


def _logits(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    return predictions_of(model)(model(**inputs))


def _capturer() -> Callable[[Compute], Captured]:
    # One pool for all graphs: they never run at the same time, and results are copied out of it at once.
    cuda: Any = torch.cuda  # some of it has no types
    pool = cuda.graph_pool_handle()

    def capture(compute: Compute) -> Captured:
        side = cuda.Stream()
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            for _ in range(_WARM_UP):
                compute()
        cuda.current_stream().wait_stream(side)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph, pool=pool):
            output = compute()
        return graph.replay, output

    return capture
