"""Kept weights of linear layers, one layer after the other, so that each gives what it gave before the cut.

Source: Frantar and Alistarh, "SparseGPT", 2023, with masks that are given: column by column, what a cut
weight would have added is made up for by the columns after it. A layer's inputs are those that it gets from
layers that are cut and updated already.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deepcuts.architectures.parameters import linear_layers
from deepcuts.scoring.passes import Batch, to_device
from deepcuts.scoring.statistics.input_gram import InputGram
from deepcuts.scoring.tokens import Tokens, told_of_padding
from deepcuts.scoring.watching import Watch

if TYPE_CHECKING:
    from deepcuts.scoring.updates import Cut

#: Columns whose changes reach the columns after them together.
_STRETCH = 128


@torch.no_grad()
def reconstructed(cut: Cut) -> dict[str, Tensor]:
    """New values of every parameter that is cut, see the module; the model's come back.

    A wave of layers that get the same inputs takes one pass over the batches.
    """
    layers = linear_layers(cut.model, list(cut.parameters))
    names: dict[nn.Linear, list[str]] = {}
    for name, owners in layers.items():
        names.setdefault(owners[0], []).append(name)
    before = {name: parameter.detach().clone() for name, parameter in cut.parameters.items()}
    found: dict[str, Tensor] = {}
    try:
        for wave in _waves(cut, list(names)):
            grams = {layer: InputGram(layers[names[layer][0]], cut.options) for layer in wave}
            _collect(cut, grams, {layer: layers[names[layer][0]] for layer in wave})
            for layer, gram in grams.items():
                for name, value in _solved(cut, names[layer], gram).items():
                    cut.parameters[name].copy_(value)
                    found[name] = value
    finally:
        for name, value in before.items():
            cut.parameters[name].copy_(value)
    return {name: found[name] for name in cut.parameters}


def _waves(cut: Cut, layers: list[nn.Linear]) -> list[list[nn.Linear]]:
    """The layers in the order in which they run; neighbours that get the very same tensor are one wave.

    Layers that don't run come last, each on its own: nothing is known of their inputs.
    """
    order: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        order.setdefault(layer, args[0] if args else kwargs["input"])

    hooks = [layer.register_forward_hook(note, with_kwargs=True) for layer in layers]
    try:
        for batch in islice(iter(cut.batches), 1):
            cut.loss_fn(cut.model, to_device(batch, _device(cut)))
    finally:
        for hook in hooks:
            hook.remove()
    waves: list[list[Any]] = []
    last: Tensor | None = None
    for layer, inputs in order.items():
        if last is not None and inputs is last:
            waves[-1].append(layer)
        else:
            waves.append([layer])
        last = inputs
    return waves + [[layer] for layer in layers if layer not in order]


def _collect(cut: Cut, grams: Mapping[nn.Linear, InputGram], owners: Mapping[nn.Linear, Any]) -> None:
    limit, maskers = cut.wanted.limit, told_of_padding(cut.model)
    for batch in islice(cut.batches, limit):
        here: Batch = to_device(batch, _device(cut))
        fed = [(gram, owners[layer]) for layer, gram in grams.items()]
        watch = Watch(fed, Tokens.of(here), maskers)
        with watch.watching():
            cut.loss_fn(cut.model, here)
        watch.finish()


def _device(cut: Cut) -> torch.device:
    return next(iter(cut.parameters.values())).device


def _solved(cut: Cut, names: list[str], gram: InputGram) -> dict[str, Tensor]:
    """New values of a layer's weight and bias; what of the two is not cut at all counts as it is."""
    weight = next((name for name in names if cut.parameters[name].dim() == 2), None)
    if weight is None:  # a bias alone: nothing can make up for it
        return {name: cut.parameters[name].masked_fill(~cut.masks[name], 0.0) for name in names}
    bias = next((name for name in names if name != weight), None)
    upper = gram.upper()
    value = cut.parameters[weight].detach().double()
    mask = cut.masks[weight]
    if bias is not None:
        value = torch.cat([value, cut.parameters[bias].detach().double()[:, None]], 1)
        mask = torch.cat([mask, cut.masks[bias][:, None]], 1)
    new = along_columns(value, mask, upper)
    inputs = cut.parameters[weight].shape[1]
    found = {weight: new[:, :inputs].to(cut.parameters[weight].dtype)}
    if bias is not None:
        found[bias] = new[:, inputs].to(cut.parameters[bias].dtype)
    return found


def along_columns(value: Tensor, mask: Tensor, upper: Tensor) -> Tensor:
    """The update of SparseGPT with a mask that is given.

    Args:
        value: ``(rows, columns)``, float64.
        mask: Likewise, bool, True = kept.
        upper: The upper Cholesky factor of H⁻¹, ``(columns, columns)`` or more.

    Returns:
        ``(rows, columns)``, 0 where cut.
    """
    new, columns = value.clone(), value.shape[1]
    for start in range(0, columns, _STRETCH):
        stop = min(start + _STRETCH, columns)
        errors = torch.zeros_like(new[:, start:stop])
        for column in range(start, stop):
            error = new[:, column].masked_fill(mask[:, column], 0.0) / upper[column, column]
            new[:, column:stop] -= error[:, None] * upper[column, column:stop]
            errors[:, column - start] = error
        new[:, stop:] -= errors @ upper[start:stop, stop:columns]
    return new.masked_fill_(~mask, 0.0)
