"""Selection of exactly k among all scores of BERT-base, beside numpy, torch and torch.nn.utils.prune."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from benchmarks.shapes import model_of
from benchmarks.timing import Timed, in_turns
from deepcuts import Budget, Scores, Strategy, prunable_parameters, select

DENSITY = 0.147


def time_cutting(turns: int, *, with_torch_prune: bool = True) -> dict[str, Timed]:
    """Everything beside one ``numpy.partition`` of the same values."""
    model = model_of("BERT-base")
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randn(value.shape, generator=generator).abs_().to(value.device)
        for name, value in prunable_parameters(model).items()
    }
    scores = Scores(tensors, Strategy.parse("LayerMagGrad"))
    budget = Budget.from_density(DENSITY)
    flat = torch.cat([value.flatten() for value in tensors.values()])
    on_host = flat.cpu().numpy()
    kept = budget.kept_in_all(flat.numel())
    things = {
        "numpy.partition": lambda: np.partition(on_host, flat.numel() - kept),
        "deepcuts, tensor scope": lambda: select(scores, budget, "tensor"),
        "deepcuts, global scope": lambda: select(scores, budget, "global"),
        "numpy.quantile": lambda: np.quantile(on_host, 1 - DENSITY),
        "torch.topk": lambda: torch.topk(flat, kept, sorted=False),
        "torch.kthvalue": lambda: torch.kthvalue(flat, flat.numel() - kept),
    }
    found = in_turns(things, turns)
    if with_torch_prune:
        found["torch.nn.utils.prune.global_unstructured"] = _torch_prune(model, found["numpy.partition"])
    return found


def _torch_prune(model: nn.Module, partition: Timed) -> Timed:
    """Once: it takes long, and changes the model."""
    modules = dict(model.named_modules())
    targets = [
        (modules[name.rpartition(".")[0]], name.rpartition(".")[2]) for name in prunable_parameters(model)
    ]
    started = time.perf_counter()
    prune.global_unstructured(targets, prune.L1Unstructured, amount=1 - DENSITY)
    seconds = time.perf_counter() - started
    ratio = seconds / partition.seconds
    return Timed(seconds, ratio, ratio, ratio, 1)
