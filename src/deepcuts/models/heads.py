"""A head whose output is bounded, such as STS-B's 5 · sigmoid(linear), without forking any architecture."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from deepcuts.common.errors import ModelError

#: Where the model's own config keeps the bounds; that is how they are saved and loaded with it.
CONFIG_KEY = "deepcuts_output_range"


class _Bound:
    """A forward hook that maps a linear layer's output into an interval."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    def __call__(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * output.sigmoid()


def bound_output(model: Any, low: float, high: float) -> None:
    """Let a model's output be ``low + (high − low) · sigmoid(linear)`` (DeepCuts, §4: STS-B).

    The last linear layer keeps its class, names and shapes; the bounds go into the model's config.

    Args:
        model: A Hugging Face model for sequence classification with one output.
        low: Least output.
        high: Greatest output.

    Raises:
        ModelError: The model has no output layer that could be bounded.
    """
    output_layer(model).register_forward_hook(_Bound(low, high))
    setattr(model.config, CONFIG_KEY, [low, high])


def output_layer(model: Any) -> nn.Linear:
    """The last linear layer outside the encoder, with as many outputs as the model has labels.

    Raises:
        ModelError: There is none.
    """
    prefix = f"{model.base_model_prefix}."
    layers = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and not name.startswith(prefix)
        and module.out_features == model.config.num_labels
    ]
    if not layers:
        raise ModelError(f"{type(model).__name__} has no linear output layer to bound")
    return layers[-1]
