"""Attention by the compiled kernel, as an implementation that models of Transformers can be switched to."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcuts.deploy.runtime import kernel
from deepcuts.deploy.runtime.break_even import fastest
from deepcuts.deploy.runtime.kernel import PRECISIONS, Kernel, Precision
from deepcuts.deploy.runtime.measured import recall

#: Features of a head must be a multiple of this.
FEATURE_UNIT = 16

_TOKENS = 128


def use_kernel_attention(model: nn.Module, precision: Precision, *, measure: bool) -> bool:
    """Switch a model's attention to the compiled kernel, where it can be and that is worth while.

    That is for models of Transformers that take their attention from its registry and have it at its default,
    ``sdpa``. Calls that the kernel does not know (causal, with additive masks, with gradients, …) still go
    to PyTorch, one by one.

    Args:
        model: Changed in place: the attention implementation that its configuration names.
        precision: Of the products; with ``"bfloat16"``, only where the processor has such products.
        measure: Whether to compare it with PyTorch's on this machine first, and take the faster one.

    Returns:
        Whether the model was switched.
    """
    config: Any = getattr(model, "config", None)
    switch: Any = getattr(model, "set_attn_implementation", None)
    run = kernel.chosen()
    if switch is None or getattr(config, "_attn_implementation", None) != "sdpa" or run is None:
        return False
    heads = getattr(config, "num_attention_heads", None)
    size = getattr(config, "hidden_size", None)
    if (
        not isinstance(heads, int)
        or not isinstance(size, int)
        or size % heads
        or size // heads % FEATURE_UNIT
    ):
        return False
    if measure and not _is_faster(heads, size // heads, precision, run):
        return False
    register()
    switch(_name(precision))
    return bool(config._attn_implementation == _name(precision))


def register() -> None:
    """Make the implementations known to Transformers; a model that uses one can't run before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    for precision in PRECISIONS:
        AttentionInterface.register(_name(precision), partial(attend, precision=precision))
        AttentionMaskInterface.register(_name(precision), sdpa_mask)


def register_where_loaded() -> None:
    """`register`, if Transformers is loaded: for models that come out of a pickle."""
    if "transformers" in sys.modules:
        register()


def _name(precision: Precision) -> str:
    return f"deepcuts_{precision}"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    *,
    precision: Precision,
    **others: Any,
) -> tuple[Tensor, None]:
    """What Transformers calls: softmax(scaling · query · keyᵀ) · value.

    Args:
        module: The model's attention layer.
        query: ``(batch, heads, queries, features)``.
        key: ``(batch, heads, keys, features)``.
        value: Of the shape of the keys.
        attention_mask: ``(batch, 1, queries, keys)``, true where a query sees a key; None: everywhere.
        scaling: One over the root of the features by default.
        precision: Of the products.
        others: What else a layer may ask for; most of it is left to PyTorch.

    Returns:
        The outputs, ``(batch, queries, heads, features)``; and no weights.
    """
    run = kernel.chosen()
    causal = others.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    asks_for_more = others.get("dropout") or any(
        others.get(name) is not None for name in ("position_bias", "cache", "softcap")
    )
    if (
        run is None
        or asks_for_more
        or (causal and attention_mask is None and query.shape[2] > 1)
        or scale <= 0
        or not _known(query, key, value, attention_mask)
    ):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        outputs, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return outputs, None
    if attention_mask is not None:
        attention_mask = attention_mask[:, 0].expand(query.shape[0], query.shape[2], key.shape[2])
    return run.attend(query.detach(), key.detach(), value.detach(), attention_mask, scale, precision), None


def _known(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> bool:
    """Whether the kernel can take the tensors as they are."""
    tensors = (query, key, value)
    if torch.is_grad_enabled() and any(one.requires_grad for one in tensors):
        return False
    if any(one.dtype is not torch.float32 or one.device.type != "cpu" or one.dim() != 4 for one in tensors):
        return False
    batch, heads, queries, features = query.shape
    if key.shape != value.shape or key.shape[:2] != (batch, heads) or key.shape[3] != features:
        return False
    if features == 0 or features % FEATURE_UNIT or any(one.stride(3) != 1 for one in tensors):
        return False
    return mask is None or (
        mask.dtype is torch.bool
        and mask.dim() == 4
        and mask.shape[0] in (1, batch)
        and mask.shape[1] == 1
        and tuple(mask.shape[2:]) == (queries, key.shape[2])
        and (mask.stride(3) == 1 or key.shape[2] == 1)
    )


def _is_faster(heads: int, features: int, precision: Precision, run: Kernel) -> bool:
    question = {"attention": [heads, features], "precision": precision, "tokens": _TOKENS}
    return recall(question, lambda: _share_of_pytorchs_time(heads, features, precision, run)) < 1


def _share_of_pytorchs_time(heads: int, features: int, precision: Precision, run: Kernel) -> float:
    generator = torch.Generator().manual_seed(0)
    shape = (1, _TOKENS, heads, features)
    with torch.inference_mode():
        query, key, value = (torch.randn(shape, generator=generator).transpose(1, 2) for _ in range(3))
        seconds = fastest(
            {
                "PyTorch": lambda: F.scaled_dot_product_attention(query, key, value),
                "kernel": lambda: run.attend(query, key, value, None, features**-0.5, precision),
            }
        )
    return seconds["kernel"] / seconds["PyTorch"]
