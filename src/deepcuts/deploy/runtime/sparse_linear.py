"""A linear layer that keeps and multiplies only the weights that were not pruned. Inference only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepcuts.common.errors import DeepcutsError, InputError
from deepcuts.deploy.runtime import kernel
from deepcuts.deploy.runtime.fallback import by_pytorch
from deepcuts.deploy.runtime.kernel import (
    ACTIVATIONS,
    PRECISIONS,
    Activation,
    Kernel,
    KernelLinear,
    Precision,
)
from deepcuts.masks.bits import count_ones

#: More inputs than this a layer can't have: their numbers are kept in 16 bits.
MOST_IN_FEATURES = 65_535


class SparseLinear(nn.Module):
    """``activation(x · weightᵀ + bias)`` from the kept weights alone.

    Its buffers are the mask, the kept values and the bias: what `state_dict`, `copy.deepcopy` and `pickle`
    carry. The form that the kernel reads is made from them at the first call, and again after they were
    loaded or moved; so replace them by `load_state_dict`, never by writing into them.

    Where the inputs hold an infinity or NaN, a pruned weight still counts as absent: nothing is multiplied
    by it, while 0 · NaN would be NaN in a dense layer.

    Built by `from_parts` or `from_linear`.

    Attributes:
        in_features: Number of inputs.
        out_features: Number of outputs.
        precision: ``"float32"``, or ``"bfloat16"``: weights and inputs are rounded to bfloat16, sums are not.
        activation: ``"gelu"`` (the exact one, up to about 1e-6; with bfloat16 up to 3e-4), or None.
        mask_bits: ``(ceil(out_features · in_features / 8),)``, uint8, row by row, the first weight in the
            highest bit.
        values: ``(kept,)``: the kept weights, row by row.
        bias: ``(out_features,)``, or None.
    """

    mask_bits: Tensor
    values: Tensor
    bias: Tensor | None

    def __init__(
        self,
        mask_bits: Tensor,
        values: Tensor,
        shape: tuple[int, int],
        bias: Tensor | None,
        precision: Precision,
        activation: Activation | None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = shape
        self.precision: Precision = precision
        self.activation: Activation | None = activation
        self.register_buffer("mask_bits", mask_bits)
        self.register_buffer("values", values)
        self.register_buffer("bias", bias)
        self._arranged: KernelLinear | None = None
        self._fallback: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def from_parts(
        cls,
        mask_bits: Tensor | np.ndarray[Any, np.dtype[np.uint8]],
        values: Tensor,
        shape: tuple[int, int],
        bias: Tensor | None = None,
        *,
        precision: Precision = "float32",
        activation: Activation | None = None,
    ) -> SparseLinear:
        """A layer from a packed mask and the kept values; a dense weight is never made.

        Args:
            mask_bits: As in `TensorBits.bits`; copied only if it can't be used as it is.
            values: ``(kept,)``, row by row, float32, float16 or bfloat16.
            shape: ``(out_features, in_features)``, both at least 1.
            bias: ``(out_features,)``.
            precision: What to calculate in.
            activation: What to apply to the outputs.

        Raises:
            InputError: An argument does not fit the others, or is of another type.
        """
        _check_options(precision, activation)
        if len(shape) != 2 or min(shape) < 1 or shape[1] > MOST_IN_FEATURES:
            raise InputError(
                "shape",
                tuple(shape),
                f"it must be two numbers, 1 or more; inputs at most {MOST_IN_FEATURES:,}",
            )
        if isinstance(mask_bits, np.ndarray):
            mask_bits = torch.from_numpy(mask_bits if mask_bits.flags.writeable else mask_bits.copy())
        weights = math.prod(shape)
        size = -(-weights // 8)
        if mask_bits.dtype is not torch.uint8 or tuple(mask_bits.shape) != (size,):
            raise InputError(
                "mask_bits",
                f"{mask_bits.dtype} {tuple(mask_bits.shape)}",
                f"it must be uint8 of shape ({size},)",
            )
        if weights % 8 and int(mask_bits[-1]) & (0xFF >> weights % 8):
            raise InputError("mask_bits", int(mask_bits[-1]), "bits beyond the last weight must be 0")
        kept = count_ones(mask_bits.cpu().numpy())
        _check_floats("values", values, (kept,))
        if bias is not None:
            _check_floats("bias", bias, (shape[0],))
            bias = bias.detach()
        out_features, in_features = shape
        return cls(
            mask_bits, values.detach(), (int(out_features), int(in_features)), bias, precision, activation
        )

    @classmethod
    @torch.no_grad()
    def from_linear(
        cls, linear: nn.Linear, *, precision: Precision = "float32", activation: Activation | None = None
    ) -> SparseLinear:
        """A layer with the weights of a dense one that are not 0.

        Args:
            linear: The dense layer; not changed. The bias is copied.
            precision: What to calculate in.
            activation: What to apply to the outputs.

        Raises:
            InputError: The layer has no inputs or outputs, or more than 65,535 inputs.
        """
        weight = linear.weight.detach().cpu()
        kept = weight != 0
        bits = torch.from_numpy(np.packbits(kept.numpy().reshape(-1)))
        bias = None if linear.bias is None else linear.bias.detach().cpu().clone()
        shape = (weight.shape[0], weight.shape[1])
        return cls.from_parts(bits, weight[kept], shape, bias, precision=precision, activation=activation)

    @property
    def density(self) -> float:
        """Share of weights kept."""
        return self.values.numel() / (self.out_features * self.in_features)

    @property
    def weight(self) -> Tensor:
        """The dense weight, ``(out_features, in_features)``: made anew at every access."""
        bits = np.unpackbits(self.mask_bits.cpu().numpy(), count=self.out_features * self.in_features)
        weight = self.values.new_zeros(self.out_features, self.in_features)
        weight[torch.from_numpy(bits.astype(bool)).reshape(weight.shape).to(weight.device)] = self.values
        return weight

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            inputs: ``(…, in_features)``, of a floating type, on the CPU.

        Returns:
            ``(…, out_features)``, of the type of the inputs.

        Raises:
            DeepcutsError: Gradients are asked for.
            InputError: The inputs have another last dimension, type or device.
        """
        if inputs.requires_grad and torch.is_grad_enabled():
            raise DeepcutsError(
                "a SparseLinear has no gradients, but its inputs require them: run the model in "
                "torch.inference_mode() or torch.no_grad(), and train the dense model"
            )
        if inputs.dim() == 0 or inputs.shape[-1] != self.in_features:
            raise InputError(
                "inputs", tuple(inputs.shape), f"their last dimension must be {self.in_features:,}"
            )
        if not inputs.is_floating_point() or inputs.device.type != "cpu":
            raise InputError(
                "inputs", f"{inputs.dtype} on {inputs.device}", "they must be of a floating type, on the CPU"
            )
        tokens = math.prod(inputs.shape[:-1])
        flat = inputs.detach().reshape(tokens, self.in_features).float()
        if flat.stride(1) != 1 and self.in_features > 1:
            flat = flat.contiguous()
        outputs = self.multiply(flat)
        return outputs.to(inputs.dtype).reshape(*inputs.shape[:-1], self.out_features)

    def multiply(self, flat: Tensor) -> Tensor:
        """`forward` without its checks.

        Args:
            flat: ``(tokens, in_features)``, float32, on the CPU, each row contiguous; not asking for
                gradients.

        Returns:
            ``(tokens, out_features)``, float32, contiguous.
        """
        run = kernel.chosen()
        if run is not None:
            return run.apply([self.for_kernel(run)], flat)[0]
        if self._fallback is None:
            bits, values, bias = self._parts()
            self._fallback = by_pytorch(
                bits, values, (self.out_features, self.in_features), bias, self.precision, self.activation
            )
        return self._fallback(flat)

    def for_kernel(self, run: Kernel) -> KernelLinear:
        """The layer as a kernel takes it; made at the first call.

        Raises:
            DeepcutsError: The layer is not on the CPU.
        """
        if self._arranged is None:
            bits, values, bias = self._parts()
            shape = (self.out_features, self.in_features)
            arranged = run.arrange(bits, values, shape, self.precision)
            self._arranged = KernelLinear(arranged, shape, self.precision, bias, self.activation)
        return self._arranged

    def _parts(self) -> tuple[Tensor, Tensor, Tensor | None]:
        if self.values.device.type != "cpu":
            raise DeepcutsError(f"a SparseLinear runs on the CPU, but was moved to {self.values.device}")
        bias = None if self.bias is None else self.bias.float().contiguous()
        return self.mask_bits.contiguous(), self.values.float().contiguous(), bias

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SparseLinear:
        self._forget()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arranged": None, "_fallback": None}

    def _forget(self) -> None:
        """Drop what was made from the buffers, which are about to become others."""
        self._arranged = None
        self._fallback = None

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, density={self.density:.4f}, "
            f"precision={self.precision}, activation={self.activation}"
        )


def _check_options(precision: str, activation: str | None) -> None:
    if precision not in PRECISIONS:
        raise InputError("precision", precision, f"it must be one of {', '.join(PRECISIONS)}")
    if activation is not None and activation not in ACTIVATIONS:
        raise InputError("activation", activation, f"it must be None or one of {', '.join(ACTIVATIONS)}")


def _check_floats(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16) or tuple(tensor.shape) != shape:
        raise InputError(
            name,
            f"{tensor.dtype} {tuple(tensor.shape)}",
            f"it must be float32, float16 or bfloat16 of shape {shape}",
        )
