"""The rules of layer-wise relevance propagation, as gradients: relevance is value times gradient."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepcuts.scoring.rules import Rules, attended, forwards_under, plain_softmax, through


class Relevance(Rules):
    """Rules by which the relevance that a value gets is what the values that it is made of get together.

    Biases get theirs as well, for which they are cut or kept as weights are.

    Args:
        model: What runs.
        epsilon: ε of linear layers; what it takes in is lost.
        shares_attention: Whether attention's weights hand on relevance to queries and keys.
    """

    #: Keeps activations' inputs from being 0.
    _TINY = 1e-12

    def __init__(self, model: nn.Module, epsilon: float, shares_attention: bool) -> None:
        super().__init__("LRP", model)
        self._epsilon = epsilon
        self._shares_attention = shares_attention

    def unary(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """The ratio of output and input is a constant."""
        return self.as_one(args[0], func(args[0].detach(), *args[1:], **kwargs))

    def as_one(self, value: Tensor, found: Tensor) -> Tensor:
        """The same for what is computed by several functions."""
        return through(value, found, found.detach() / _away_from_zero(value, self._TINY))

    def rule_linear(self, func: Any, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The ε rule: relevance of an output z is shared by what z + ε is made of."""
        found: Tensor = func(input, weight, bias)
        return through(found, found, found.detach() / _away_from_zero(found, self._epsilon))

    def product(self, one: Tensor, other: Tensor, multiply: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Half of it to each."""
        found = multiply(one, other)
        return through(found, found, torch.full((), 0.5, dtype=found.dtype, device=found.device))

    def softmax(self, scores: Tensor, dim: int) -> Tensor:
        """By its derivative, or attention weights are constants."""
        return F.softmax(scores, dim) if self._shares_attention else plain_softmax(scores.detach(), dim)

    def attention(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        """By its parts."""
        with self:
            return self.softmax(attended(query, key, mask, scale), -1) @ value

    def inverse(self, divisor: Tensor) -> Tensor:
        """Divisors are constants."""
        return divisor.detach().reciprocal()


def _away_from_zero(value: Tensor, distance: float) -> Tensor:
    held = value.detach()
    return held + torch.where(held < 0, -distance, distance)


def relevance(
    model: nn.Module, epsilon: float, *, shares_attention: bool = True
) -> AbstractContextManager[None]:
    """A context in which the model's backward pass goes by the rules, see `Relevance`."""

    def forward(own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        rules = Relevance(model, epsilon, shares_attention)
        # An activation of several functions, as the one of GPT-2, has one ratio all the same.
        hooks = [
            module.register_forward_hook(lambda _, inputs, output: rules.as_one(inputs[0], output))
            for module in model.modules()
            if type(module).__module__.endswith(".activations") and not any(module.parameters())
        ]
        try:
            with rules:
                return own(*args, **kwargs)
        finally:
            for hook in hooks:
                hook.remove()

    return forwards_under(model, forward)
