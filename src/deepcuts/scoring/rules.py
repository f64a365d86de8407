"""Backward rules in the place of derivatives: what a forward pass computes stays, what goes back is changed.

A mode sees every function of torch that a model calls. What is linear goes back as it is; for the rest a
`Rules` says what does; what it has no rule for is refused by name.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from deepcuts.common.errors import ScoringError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Functions by which gradients go back as they are, without dunders and a last underscore.
LINEAR = _words(
    """
    add sub rsub radd iadd isub neg sum mean cat concat stack view view_as reshape reshape_as flatten
    unflatten transpose permute swapaxes t squeeze unsqueeze expand expand_as repeat repeat_interleave
    contiguous clone to float double half bfloat16 type type_as chunk split unbind narrow select getitem
    index index_select gather take take_along_dim masked_fill masked_select where roll flip movedim tile
    pad dropout feature_dropout embedding get detach requires_grad_ cumsum tril triu diagonal trace
    identity alias zeros_like ones_like empty_like full_like set unfold unsafe_chunk adaptive_avg_pool1d
    avg_pool1d
    """
)
#: Functions of one tensor, element by element.
UNARY = _words(
    """
    gelu relu tanh sigmoid silu mish elu selu celu leaky_relu hardswish hardsigmoid hardtanh softplus
    softsign relu6 logsigmoid pow square sqrt rsqrt reciprocal exp log log1p expm1 erf abs clamp
    clamp_min clamp_max
    """
)
#: Losses: what they are of is explained, so their own derivative begins what goes back.
LOSSES = _words(
    """
    cross_entropy mse_loss binary_cross_entropy_with_logits l1_loss smooth_l1_loss huber_loss nll_loss
    """
)


class Through(torch.autograd.Function):
    """A value whose gradient goes back times a factor, whatever it was computed by."""

    @staticmethod
    def forward(ctx: Any, of: Tensor, value: Tensor, factor: Tensor) -> Tensor:
        """The value."""
        ctx.save_for_backward(factor)
        return value.detach().clone() if value is of else value.detach()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        """The gradient times the factor."""
        (factor,) = ctx.saved_tensors
        return gradients[0] * factor, None, None


def through(of: Tensor, value: Tensor, factor: Tensor) -> Tensor:
    """`value`, whose gradient goes back to `of` times the factor; all of one shape."""
    found: Tensor = Through.apply(of, value, factor)  # type: ignore[no-untyped-call]
    return found


class Rules(TorchFunctionMode):
    """The rules of one method.

    Args:
        method: Its name, for messages.
        model: What runs, for messages.
    """

    def __init__(self, method: str, model: nn.Module) -> None:
        super().__init__()
        self._method = method
        self._model = model

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function, by its rule."""
        kwargs = kwargs or {}
        called = str(getattr(func, "__name__", func))
        name = called.strip("_")
        if not any(one.requires_grad for one in _tensors((*args, *kwargs.values()))):
            return func(*args, **kwargs)
        rule: Callable[..., Any] | None = getattr(self, f"rule_{name}", None)
        # In place, nothing can take the place of the result.
        if called.endswith("_") and not called.endswith("__"):
            is_linear = name in LINEAR or (name in ("mul", "div") and not any(map(_varies, args[1:])))
        elif name in UNARY:
            return self.unary(func, args, kwargs)
        elif rule is not None:
            return rule(func, *args, **kwargs)
        else:
            is_linear = name in LINEAR
        found = func(*args, **kwargs)
        if not is_linear and any(one.requires_grad for one in _tensors([found])):
            raise ScoringError(
                f"{self._method} has no rule for torch's {name!r}, which {type(self._model).__name__} "
                "computes with; score by another gradient"
            )
        return found

    @abstractmethod
    def unary(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Of a function of one tensor, element by element."""

    @abstractmethod
    def product(self, one: Tensor, other: Tensor, multiply: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Of a product of two tensors that both go back: element by element, or of matrices."""

    @abstractmethod
    def rule_linear(self, func: Any, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Of a linear layer."""

    @abstractmethod
    def softmax(self, scores: Tensor, dim: int) -> Tensor:
        """Of a softmax."""

    @abstractmethod
    def attention(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        """Of ``softmax(query keyᵀ · scale + mask) value``."""

    @abstractmethod
    def inverse(self, divisor: Tensor) -> Tensor:
        """Of ``1 / divisor``, where the divisor goes back."""

    def loss(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Of a loss; by default its derivative."""
        found: Tensor = func(*args, **kwargs)
        return found

    # What torch calls them; `of` is the function that was called.

    def rule_mul(self, of: Any, one: Any, other: Any) -> Tensor:
        """A product, element by element."""
        if _varies(one) and _varies(other):
            return self.product(one, other, torch.mul)
        found: Tensor = of(one, other)
        return found

    rule_rmul = rule_imul = rule_multiply = rule_mul

    def rule_matmul(self, of: Any, one: Tensor, other: Tensor) -> Tensor:
        """A product of matrices."""
        if _varies(one) and _varies(other):
            return self.product(one, other, torch.matmul)
        found: Tensor = of(one, other)
        return found

    rule_bmm = rule_mm = rule_matmul

    def rule_div(self, of: Any, one: Any, other: Any, **kwargs: Any) -> Tensor:
        """A quotient."""
        if not _varies(other):
            found: Tensor = of(one, other, **kwargs)
            return found
        inverse = self.inverse(other)
        both = _varies(one) and _varies(inverse)
        return self.product(one, inverse, torch.mul) if both else one * inverse

    rule_truediv = rule_true_divide = rule_divide = rule_div

    def rule_softmax(
        self, of: Any, input: Tensor, dim: int = -1, *more: Any, dtype: Any = None, **others: Any
    ) -> Tensor:
        """Weights that add up to 1."""
        return self.softmax(input if dtype is None else input.to(dtype), dim)

    def rule_scaled_dot_product_attention(
        self,
        of: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Attention in one function."""
        if dropout_p or is_causal or enable_gqa:
            raise ScoringError(
                f"{self._method} has no rule for attention with dropout, causal masks or groups of queries, "
                f"which {type(self._model).__name__} computes with; score by another gradient"
            )
        return self.attention(
            query, key, value, attn_mask, query.shape[-1] ** -0.5 if scale is None else scale
        )

    def rule_layer_norm(
        self,
        of: Any,
        input: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """A normalisation: what is left without the mean, times one over the deviation."""
        dims = tuple(range(-len(normalized_shape), 0))
        centred = input - input.mean(dims, keepdim=True)
        with self:  # the square and the divisor go by their rules too
            variance = centred.square().mean(dims, keepdim=True)
            found = centred / (variance + eps).sqrt()
            if weight is not None:
                found = found * weight
        return found if bias is None else found + bias


def _rule_of_loss(self: Rules, of: Any, *args: Any, **kwargs: Any) -> Tensor:
    return self.loss(of, args, kwargs)


for _name in LOSSES:
    setattr(Rules, f"rule_{_name}", _rule_of_loss)


def _varies(value: Any) -> bool:
    """Whether a value depends on the input as on the weights; a parameter is a constant of its layer."""
    return isinstance(value, Tensor) and value.requires_grad and not value.is_leaf


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


@contextmanager
def forwards_under(model: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Have the model run another forward, which may call its own; gone afterwards, also after an exception.

    Args:
        model: The model.
        forward: Given the model's own and its arguments.
    """
    own = model.forward
    has_own = "forward" in vars(model)

    def run(*args: Any, **kwargs: Any) -> Any:
        return forward(own, *args, **kwargs)

    object.__setattr__(model, "forward", run)
    try:
        yield
    finally:
        if has_own:
            object.__setattr__(model, "forward", own)
        else:
            object.__delattr__(model, "forward")


def attended(query: Tensor, key: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Scores before the softmax, ``(…, queries, keys)``."""
    found = (query @ key.transpose(-2, -1)) * scale
    if mask is None:
        return found
    return (
        found.masked_fill(~mask, torch.finfo(found.dtype).min) if mask.dtype is torch.bool else found + mask
    )


def plain_softmax(scores: Tensor, dim: int) -> Tensor:
    """Zeros where all scores of a query are masked."""
    return F.softmax(scores, dim).nan_to_num(0.0)
