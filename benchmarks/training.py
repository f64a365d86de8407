"""A training step under masks beside a dense one and one under torch.nn.utils.prune."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import prune

from benchmarks.shapes import batch_of, model_of
from benchmarks.timing import Timed, in_turns
from deepcuts import Budget, masked, prunable_parameters, score, select

DENSITY = 0.147


def time_training(shape: str, tokens: int, turns: int) -> dict[str, Timed]:
    """Forward, backward and an AdamW step of each."""
    batch = batch_of(tokens)

    def stepper(model: nn.Module) -> tuple[Callable[[], None], torch.optim.Optimizer]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

        def step() -> None:
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return step, optimizer

    dense, _ = stepper(model_of(shape).train())
    held = model_of(shape).train()
    masks = select(score(held, [], ["Random"])["Random"], Budget.from_density(DENSITY))
    under_masks, optimizer = stepper(held)
    wrapped = model_of(shape).train()
    modules = dict(wrapped.named_modules())
    for name in prunable_parameters(wrapped):
        prune.custom_from_mask(modules[name.rpartition(".")[0]], name.rpartition(".")[2], masks[name])
    under_prune, _ = stepper(wrapped)
    with masked(held, masks, optimizer):
        return in_turns({"dense": dense, "deepcuts": under_masks, "torch.nn.utils.prune": under_prune}, turns)
