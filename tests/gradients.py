"""Gradients all together, as tests compare them; the package hands them on one by one."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from deepcuts import ScoringOptions
from deepcuts.scoring.passes import Batch, LossFunction, own_gradients, stream_gradients
from deepcuts.scoring.smoothing import stream_smooth_gradients


def gradients(loss: Tensor, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    with own_gradients(parameters):
        stream_gradients(loss, parameters, found.__setitem__)
    assert found.keys() == parameters.keys()
    return found


def smooth_gradients(
    model: nn.Module,
    batch: Batch,
    parameters: Mapping[str, nn.Parameter],
    loss_fn: LossFunction,
    options: ScoringOptions,
    seed: int,
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    with own_gradients(parameters):
        stream_smooth_gradients(model, batch, parameters, loss_fn, options, seed, found.__setitem__)
    assert found.keys() == parameters.keys()
    return found
