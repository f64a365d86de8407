"""The rules of DeepLIFT: multipliers of differences from a reference, which runs beside the batch.

The rows of every tensor are the batch's, then as many of the reference's. What goes back is the multiplier
in the first half and its negative in the second, so that a linear layer's gradient by its weight is ``m (x −
x_ref)ᵀ``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepcuts.common.errors import ScoringError
from deepcuts.scoring.passes import batch_size
from deepcuts.scoring.rules import Rules, attended, forwards_under, through


class _FirstHalf(torch.autograd.Function):
    """The batch's rows; what goes back to them goes back to the reference's with the other sign."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        """The first half."""
        return both[: len(both) // 2].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Tensor:
        """Both halves."""
        return torch.cat([gradients[0], -gradients[0]])


def first_half(both: Tensor) -> Tensor:
    """The batch's rows of a tensor of both."""
    found: Tensor = _FirstHalf.apply(both)  # type: ignore[no-untyped-call]
    return found


class Differences(Rules):
    """Rules by which multipliers times differences of inputs add up to the difference of the output.

    Args:
        model: What runs.
        rows: Of the batch and its reference together.
        tokens: Those of both, whose embeddings are 0 in the reference; None where they are what they are.
    """

    #: Below this share of the values, a difference is none, and the derivative takes the place of a quotient.
    _NONE = 1e-5

    def __init__(self, model: nn.Module, rows: int, tokens: Tensor | None) -> None:
        super().__init__("DeepLIFT", model)
        self._rows = rows
        self._tokens = tokens

    def _has_halves(self, value: Tensor) -> bool:
        # Heads may be folded into the rows; a table, such as one of positions, has two dimensions.
        several = value.dim() > 2 and len(value) > 0 and len(value) % self._rows == 0
        return several or (value.dim() > 0 and len(value) == self._rows)

    def unary(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """The rescale rule: the difference of the outputs over that of the inputs."""
        value = args[0]
        if not self._has_halves(value):
            found: Tensor = func(value.detach(), *args[1:], **kwargs)
            return found
        return self._rescaled(value, lambda held: func(held, *args[1:], **kwargs))

    def _rescaled(self, value: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        held = value.detach().clone().requires_grad_()
        with torch.enable_grad():
            found = function(held)
            (slope,) = torch.autograd.grad(found.sum(), held)
        (x, x_ref), (y, y_ref), (derivative, _) = (one.detach().chunk(2) for one in (held, found, slope))
        difference = x - x_ref
        size = torch.maximum(x.abs(), x_ref.abs())
        is_there = (difference.abs() > self._NONE * size) & difference.isfinite()
        quotient = (y - y_ref) / difference.where(is_there, torch.ones_like(difference))
        factor = quotient.where(is_there, derivative)
        return through(value, found.detach(), torch.cat([factor, factor]))

    def rule_embedding(self, func: Any, input: Tensor, weight: Tensor, *more: Any, **kwargs: Any) -> Tensor:
        """The reference's half is 0 where that is asked for."""
        found: Tensor = func(input, weight, *more, **kwargs)
        if input is self._tokens:
            own, reference = found.chunk(2)
            return torch.cat([own, torch.zeros_like(reference)])
        return found

    def rule_linear(self, func: Any, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """As it is; the bias counts in the batch's half alone."""
        found: Tensor = func(input, weight)
        if bias is None:
            return found
        if not self._has_halves(input):
            return found + bias.detach()
        own, reference = found.chunk(2)
        return torch.cat([own + bias, reference + bias.detach()])

    def product(self, one: Tensor, other: Tensor, multiply: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Each by the mean of the other: ``xy − x'y' = (x − x')(y + y')/2 + (y − y')(x + x')/2``."""
        halves = [self._has_halves(value) and value.dim() >= other.dim() for value in (one, other)]
        if not all(halves):
            # What is the same for both has no difference; a parameter keeps its gradient.
            kept = [value if has or value.is_leaf else value.detach()
                    for value, has in zip((one, other), halves, strict=True)]  # fmt: skip
            return multiply(*kept)
        found = multiply(one.detach(), other.detach())
        linear = multiply(one, _mean(other)) + multiply(_mean(one), other)
        # The value is the product's, the gradient that of the linear form.
        return found + (linear - linear.detach())

    def softmax(self, scores: Tensor, dim: int) -> Tensor:
        """Exponentials, their sum, and the quotient of the two."""
        if not self._has_halves(scores):
            return F.softmax(scores.detach(), dim)
        most = scores.detach().amax(dim, keepdim=True)
        most = torch.maximum(*most.chunk(2)).repeat(2, *[1] * (most.dim() - 1))
        most = most.masked_fill(most == -torch.inf, 0.0)
        powers = self._rescaled(scores - most, torch.exp)
        inverse = self.inverse(powers.sum(dim, keepdim=True).clamp_min(1e-30))
        return self.product(powers, inverse, torch.mul)

    def attention(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        """By its parts."""
        with self:
            scores = attended(query, key, mask, scale)
            return self.softmax(scores, -1) @ value

    def inverse(self, divisor: Tensor) -> Tensor:
        """The rescale rule again."""
        if not self._has_halves(divisor):
            return divisor.detach().reciprocal()
        return self._rescaled(divisor, torch.reciprocal)

    def loss(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """The batch's, by its parts, so that its difference from the reference's is what is shared out."""
        name, given = func.__name__, {**dict(zip(("input", "target"), args, strict=False)), **kwargs}
        output, labels = given["input"], given["target"]
        is_mean = given.get("reduction", "mean") == "mean" and len(args) <= 2
        is_plain = is_mean and given.get("weight") is None and not given.get("label_smoothing")
        if is_plain and name == "cross_entropy" and output.dim() == 2 and not labels.is_floating_point():
            with self:
                most = output.detach().amax(-1, keepdim=True)
                most = torch.maximum(*most.chunk(2)).repeat(2, 1)
                logged = (output - most).exp().sum(-1).log() + most.squeeze(-1)
                chosen = output.gather(-1, labels.clamp_min(0)[:, None]).squeeze(-1)
                each = first_half((logged - chosen) * (labels >= 0))
            found: Tensor = each.sum() / (labels[: len(labels) // 2] >= 0).sum().clamp_min(1)
            return found
        if is_plain and name == "mse_loss":
            with self:
                mean: Tensor = first_half((output - labels).square()).mean()
            return mean
        raise ScoringError(
            f"DeepLIFT has no rule for torch's {name!r} as {type(self._model).__name__} uses it; explain the "
            "logit, or score by another gradient"
        )


def _mean(value: Tensor) -> Tensor:
    """The mean of the two halves, in both; a constant."""
    own, reference = value.detach().chunk(2)
    mean = (own + reference) / 2
    return torch.cat([mean, mean])


def differences(model: nn.Module, reference: str) -> AbstractContextManager[None]:
    """A context in which the model runs on a batch and its reference, and gives what it gives of the batch.

    Args:
        model: A model of Hugging Face, or any that takes tensors with a row for each example.
        reference: ``"padding"``: its tokens in every place; or ``"zero"``: embeddings of 0. Of inputs that
            are numbers, 0.
    """
    configuration = getattr(model, "config", None)
    padding = getattr(configuration, "pad_token_id", None)

    def other(name: str, value: Tensor) -> Tensor:
        if name == "input_ids":
            return torch.full_like(value, padding or 0)
        is_input = value.is_floating_point() and name not in ("labels", "attention_mask")
        return torch.zeros_like(value) if is_input else value

    def forward(own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        named = {**{str(place): value for place, value in enumerate(args)}, **kwargs}
        size = batch_size(named)
        both = {
            name: torch.cat([value, other(name, value)])
            if isinstance(value, Tensor) and value.dim() and len(value) == size
            else value
            for name, value in named.items()
        }
        tokens = both.get("input_ids") if reference == "zero" else None
        places = [both.pop(str(place)) for place in range(len(args))]
        with Differences(model, 2 * size, tokens):
            found = own(*places, **both)
        return _of_batch(found, 2 * size)

    return forwards_under(model, forward)


def _of_batch(output: Any, rows: int) -> Any:
    """The batch's part of what a model gives."""
    if isinstance(output, Tensor):
        return first_half(output) if output.dim() and len(output) == rows else output
    if isinstance(output, Mapping):
        for name, value in output.items():
            if isinstance(value, Tensor):
                output[name] = _of_batch(value, rows)  # type: ignore[index]
    return output
