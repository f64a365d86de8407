"""θ0 of a model that is fine-tuned already, from another model."""

from __future__ import annotations

from torch import nn

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.masks.rewinding import Snapshot, snapshot


def pretrained_values(
    called: str, other: nn.Module, model: nn.Module, now: Snapshot
) -> tuple[Snapshot, list[str]]:
    """θ0 of a model: the values of another one, and its own where that has none.

    Args:
        called: What the other one is called.
        other: A model with the same encoder, with a head of the same shape or without one.
        model: The fine-tuned model.
        now: Its values.

    Returns:
        The values, and the names of those that are the fine-tuned ones.

    Raises:
        InputError: The other one is of another shape, or lacks something of the encoder.
    """
    values = snapshot(other).tensors
    base = getattr(model, "base_model_prefix", "")
    found, own = {}, []
    for name, tensor in now.tensors.items():
        value = values.get(name, values.get(name.removeprefix(f"{base}.")))
        if value is None:
            own.append(name)
        elif value.shape != tensor.shape:
            there, here = tuple(value.shape), tuple(tensor.shape)
            raise InputError("pretrained", called, f"{name!r} has shape {there} there, {here} here")
        found[name] = tensor if value is None else value.to(tensor.dtype)
    cut = prunable_parameters(model)
    if lacking := [name for name in own if name in cut]:
        raise InputError("pretrained", called, f"it has no {lacking[0]!r} to go back to")
    return Snapshot(found), own
