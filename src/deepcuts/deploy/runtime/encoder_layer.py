"""A whole layer of a BERT-like encoder in a few calls of the kernel, without a detour through its modules."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.architectures.families import all_architectures
from deepcuts.deploy.runtime import kernel
from deepcuts.deploy.runtime.attention import attend, register_where_loaded, use_kernel_attention
from deepcuts.deploy.runtime.kernel import Kernel, Precision
from deepcuts.deploy.runtime.sparse_linear import SparseLinear

_PREFIX = "Kernel"


def use_kernel(model: nn.Module, precision: Precision, *, measure: bool) -> int:
    """Let the attention and the layers of an encoder call the kernel, where it knows all that is in them.

    Layers keep their modules, parameters and buffers. A call that asks for more than outputs (gradients,
    caches, hooks on a layer's modules, …) goes through these, as before.

    Args:
        model: Changed in place: the attention implementation that its configuration names, classes of layers.
        precision: Of attention's products.
        measure: Whether to compare attention with PyTorch's on this machine first, and take the faster one.

    Returns:
        How many layers were changed: 0 unless the attention was.
    """
    if not use_kernel_attention(model, precision, measure=measure):
        return 0
    changed, layers = 0, _layers()
    for module in model.modules():
        name = type(module).__name__
        if type(module).__module__ == layers.get(name) and _is_known(module):
            module.__class__ = _class(name)
            module.kernel_precision = precision  # type: ignore[assignment]
            changed += 1
    return changed


def _is_known(layer: Any) -> bool:
    def is_norm(one: nn.Module) -> bool:
        return type(one) is nn.LayerNorm and one.bias is not None and one.weight.dtype is torch.float32

    attention, inner, output = layer.attention, layer.intermediate, layer.output
    linears = (attention.self.query, attention.self.key, attention.self.value, attention.output.dense)
    return (
        not layer.is_decoder
        and not hasattr(layer, "crossattention")
        and all(isinstance(one, (SparseLinear, nn.Linear)) for one in (*linears, output.dense))
        and isinstance(inner.dense, SparseLinear)
        and inner.dense.activation == "gelu"
        and isinstance(inner.intermediate_act_fn, nn.Identity)
        and is_norm(attention.output.LayerNorm)
        and is_norm(output.LayerNorm)
    )


class _KernelForward:
    """Goes before a layer's own class: its forward pass through the kernel where that will do."""

    kernel_precision: Precision

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, *others: Any, **options: Any
    ) -> Any:
        """As the layer's own class describes it."""
        layer: Any = self
        run = kernel.chosen()
        if (
            run is None
            or hidden_states.dim() != 3
            or hidden_states.dtype is not torch.float32
            or hidden_states.device.type != "cpu"
            or (hidden_states.requires_grad and torch.is_grad_enabled())
            or any(one is not None for one in others)
            or any(one is not None and one is not False for one in options.values())
            or _is_watched(layer)
        ):
            return super().forward(hidden_states, attention_mask, *others, **options)  # type: ignore[misc]
        return _forward(layer, run, hidden_states, attention_mask)


def _forward(layer: Any, run: Kernel, hidden_states: Tensor, mask: Tensor | None) -> Tensor:
    attention, own = layer.attention, layer.attention.self
    batch, tokens, size = hidden_states.shape
    flat = hidden_states.detach().reshape(batch * tokens, size).contiguous()
    shape = (batch, tokens, -1, own.attention_head_size)
    query, key, value = (
        one.view(shape).transpose(1, 2) for one in _multiply(run, (own.query, own.key, own.value), flat)
    )
    context, _ = attend(own, query, key, value, mask, own.scaling, precision=layer.kernel_precision)
    (mixed,) = _multiply(run, (attention.output.dense,), context.reshape(batch * tokens, -1))
    attended = _add_norm(run, attention.output.LayerNorm, mixed, flat)
    inner = _feed_forward(run, layer.intermediate.dense, layer.output.dense, attended)
    return _add_norm(run, layer.output.LayerNorm, inner, attended).view(batch, tokens, size)


def _multiply(run: Kernel, linears: Sequence[Any], flat: Tensor) -> Sequence[Tensor]:
    """The outputs of layers of the same inputs."""
    if all(isinstance(one, SparseLinear) and one.precision == linears[0].precision for one in linears):
        return run.apply([one.for_kernel(run) for one in linears], flat)
    return [one.multiply(flat) if isinstance(one, SparseLinear) else one(flat).detach() for one in linears]


def _feed_forward(run: Kernel, first: SparseLinear, second: Any, flat: Tensor) -> Tensor:
    """Two layers, one after the other."""
    if isinstance(second, SparseLinear) and second.precision == first.precision:
        return run.apply([first.for_kernel(run), second.for_kernel(run)], flat, chained=True)[0]
    (outputs,) = _multiply(run, (second,), first.multiply(flat))
    return outputs


def _add_norm(run: Kernel, norm: nn.LayerNorm, a: Tensor, b: Tensor) -> Tensor:
    return run.add_norm(a, b, norm.weight, norm.bias, norm.eps)


def _is_watched(layer: Any) -> bool:
    """Whether someone wants to see, or changed, what the layer's modules do."""
    attention = layer.attention
    modules = (
        *(attention, attention.self, attention.self.query, attention.self.key, attention.self.value),
        *(attention.output, attention.output.dense, attention.output.LayerNorm),
        *(layer.intermediate, layer.intermediate.dense),
        *(layer.output, layer.output.dense, layer.output.LayerNorm),
    )
    return layer.training or any(
        one._forward_hooks or one._forward_pre_hooks or "forward" in one.__dict__ for one in modules
    )


def _layers() -> dict[str, str]:
    """Class of layers that can be run as a whole → its module."""
    known = (one.whole_layer for one in all_architectures().values())
    return dict(one for one in known if one is not None)


def _class(name: str) -> Any:
    """The class for layers of a class of Transformers; made once."""
    known = globals().get(_PREFIX + name)
    if known is None:
        original = getattr(importlib.import_module(_layers()[name]), name)
        known = type(_PREFIX + name, (_KernelForward, original), {"__module__": __name__})
        globals()[_PREFIX + name] = known
    return known


def __getattr__(name: str) -> Any:
    """Makes the classes for who asks for them by name, as pickle does."""
    original = name.removeprefix(_PREFIX)
    if name == original or original not in _layers():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = _class(original)
    register_where_loaded()
    return made
