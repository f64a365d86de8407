"""Selection of exactly k among all scores of BERT-base, beside numpy, torch and torch.nn.utils.prune."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from benchmarks.shapes import device, model_of, prunable_shapes
from benchmarks.timing import Timed, in_turns
from deepcuts import Budget, Scores, Strategy, prunable_parameters, select

DENSITY = 0.147
PARTITION, PRUNE = "numpy.partition", "torch.nn.utils.prune.global_unstructured"


def time_cutting(turns: int, *, with_torch_prune: bool = True) -> dict[str, Timed]:
    """Everything beside one ``numpy.partition`` of the same values; what takes seconds is done once."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randn(size, generator=generator).abs_().to(device())
        for name, size in prunable_shapes("BERT-base").items()
    }
    scores = Scores(tensors, Strategy.parse("LayerMagGrad"))
    budget = Budget.from_density(DENSITY)
    flat = torch.cat([value.flatten() for value in tensors.values()])
    on_host = flat.cpu().numpy()
    kept = budget.kept_in_all(flat.numel())
    partition = {PARTITION: lambda: np.partition(on_host, flat.numel() - kept)}
    quick = {
        **partition,
        "deepcuts, tensor scope": lambda: select(scores, budget, "tensor"),
        "deepcuts, global scope": lambda: select(scores, budget, "global"),
    }
    slow = {
        **partition,
        "numpy.quantile": lambda: np.quantile(on_host, 1 - DENSITY),
        "torch.topk": lambda: torch.topk(flat, kept, sorted=False),
        "torch.kthvalue": lambda: torch.kthvalue(flat, flat.numel() - kept + 1),
    }
    found = {**in_turns(slow, 1, warm_up=0), **in_turns(quick, turns)}
    if with_torch_prune:
        model = model_of("BERT-base")
        found[PRUNE] = in_turns({**partition, PRUNE: lambda: _torch_prune(model)}, 1, warm_up=0)[PRUNE]
    return {name: found[name] for name in [*quick, *list(slow)[1:], *([PRUNE] if with_torch_prune else [])]}


def _torch_prune(model: nn.Module) -> None:
    modules = dict(model.named_modules())
    targets = [
        (modules[name.rpartition(".")[0]], name.rpartition(".")[2]) for name in prunable_parameters(model)
    ]
    prune.global_unstructured(targets, prune.L1Unstructured, amount=1 - DENSITY)
