"""What tests of held masks share: a small network, masks of it, and steps of its training."""

from __future__ import annotations

import torch
from torch import nn

from deepcuts import Masks


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))


def some_masks(model: nn.Module, names: list[str] | None = None) -> Masks:
    generator = torch.Generator().manual_seed(1)
    chosen = {name: p for name, p in model.named_parameters() if names is None or name in names}
    return Masks({name: torch.rand(p.shape, generator=generator) > 0.5 for name, p in chosen.items()})


def assert_zeros(model: nn.Module, masks: Masks) -> None:
    """Every cut weight is +0 bit for bit."""
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        cut = parameters[name].detach()[~mask]
        assert cut.numel()
        assert torch.equal(cut.view(torch.int32), torch.zeros_like(cut).view(torch.int32)), name
