"""Scores as the paper's equations read, without any of the project's code or care for speed.

One sweep per strategy; a forward pass for the activations and another one for the gradient; weights and
gradients copied to the host for every batch. The project's scores are checked against these, and timed
beside them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn


def score_plainly(
    model: nn.Module,
    batches: Iterable[dict[str, Tensor]],
    names: list[str],
    score: str,
    *,
    shift: float = 10.0,
    noises: list[list[dict[str, Tensor]]] | None = None,
) -> dict[str, np.ndarray]:
    """Scores of every named parameter, summed over the batches.

    Args:
        model: In the mode that it is scored in.
        batches: Batches, all of whose tokens count.
        names: Weights and biases of linear layers.
        score: ``"MagGrad"``, ``"GradCAM"``, ``"GradCAMShift"`` or ``"SmoothGrad"`` (eqs. 4, 5, 9).
        shift: λ.
        noises: For each batch and path, what is added to every linear layer's output, by its name.
    """
    parameters = dict(model.named_parameters())
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    sums = {name: np.zeros(tuple(parameters[name].shape), np.float32) for name in names}
    for index, batch in enumerate(batches):
        means: dict[str, np.ndarray] = {}
        if "CAM" in score:
            means = _mean_outputs(model, batch, layers)
        paths = noises[index] if noises is not None else [{}]
        gradients = {name: np.zeros_like(total) for name, total in sums.items()}
        for path in paths:
            hooks = [
                layers[name].register_forward_hook(lambda m, i, o, noise=noise: o + noise)
                for name, noise in path.items()
            ]
            model.zero_grad()
            model(**batch).loss.backward()
            for hook in hooks:
                hook.remove()
            for name in names:
                gradients[name] += parameters[name].grad.cpu().numpy() / len(paths)
        for name in names:
            importances = parameters[name].detach().cpu().numpy() * gradients[name]
            if "CAM" in score:
                activation = means[name.rpartition(".")[0]] + (shift if "Shift" in score else 0.0)
                importances = importances * (activation[:, None] if importances.ndim == 2 else activation)
            sums[name] += np.abs(importances)
    model.zero_grad(set_to_none=True)
    return sums


def _mean_outputs(
    model: nn.Module, batch: dict[str, Tensor], layers: dict[str, nn.Linear]
) -> dict[str, np.ndarray]:
    outputs: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda m, i, o, name=name: outputs.update({name: o}))
        for name, layer in layers.items()
    ]
    with torch.no_grad():
        model(**batch)
    for hook in hooks:
        hook.remove()
    return {name: one.cpu().numpy().reshape(-1, one.shape[-1]).mean(0) for name, one in outputs.items()}
