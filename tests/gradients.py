"""Gradients all together, as tests compare them; the package hands them on one by one."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from deepcuts import ScoringOptions
from deepcuts.scoring.gradient_passes import GradientPasses
from deepcuts.scoring.gradients import REGISTRY
from deepcuts.scoring.passes import Batch, Gradients, LossFunction


def gradients(loss: Tensor, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    ours = Gradients(parameters)
    with ours.own():
        ours.stream(loss, lambda name, value, is_there: found.update({name: value}))
    assert found.keys() == parameters.keys()
    return found


def smooth_gradients(
    model: nn.Module,
    batch: Batch,
    parameters: Mapping[str, nn.Parameter],
    loss_fn: LossFunction,
    options: ScoringOptions,
    seed: int,
    together: int = 1,
    gradient: str = "Smooth",
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    passes = GradientPasses(model, parameters, stacked=False)
    passes.together = together
    passes.run(
        REGISTRY[gradient],
        options,
        batch,
        loss_fn,
        seed,
        lambda name, value, is_there: found.update({name: value}),
    )
    assert passes.together == together
    assert found.keys() == parameters.keys()
    return found
