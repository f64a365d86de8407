"""The compiled kernel, through its C interface: packing a weight and applying it."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from deepcuts.common.errors import DeepcutsError, InputError
from deepcuts.deploy.runtime import build
from deepcuts.deploy.runtime.structures import AddNorm, Attention, Linear, Linears

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Activation = Literal["gelu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

#: Environment variable that names the instruction set to use, or ``csr`` for the fallback.
CHOICE = "DEEPCUTS_KERNEL"
FALLBACK = "csr"


class KernelError(DeepcutsError):
    """The compiled kernel failed; the message says at what."""

    exit_status = 1


class KernelMemoryError(KernelError, MemoryError):
    """The compiled kernel found no memory."""


#: What a call of the library returns, other than 0 → the error. See ``Status`` of native/dispatch.cpp.
_FAILURES: dict[int, tuple[type[KernelError], str]] = {
    1: (KernelMemoryError, "no memory"),
    2: (KernelError, "the operating system refused threads or locks"),
    3: (KernelError, "an unexpected failure"),
}


def _check(status: int, what: str) -> None:
    if status != 0:
        kind, reason = _FAILURES.get(status, (KernelError, f"status {status}"))
        raise kind(f"the compiled kernel failed: {reason} {what}")


@dataclass(frozen=True)
class KernelLinear:
    """A sparse linear layer in the form that the kernel takes.

    Attributes:
        arranged: What `Kernel.arrange` returned for this shape and precision.
        shape: ``(out_features, in_features)``.
        precision: Of weights and inputs; sums are always float32.
        bias: ``(out_features,)``, float32, contiguous.
        activation: What is applied last.
    """

    arranged: Tensor
    shape: tuple[int, int]
    precision: Precision
    bias: Tensor | None
    activation: Activation | None


class Kernel:
    """A library and the instruction set chosen in it.

    Args:
        library: The loaded library.
        index: Which of its instruction sets.
    """

    def __init__(self, library: ctypes.CDLL, index: int) -> None:
        self._library = library
        self._index = index
        self.name: str = library.deepcuts_kernel_name(index).decode()

    def arrange(self, bits: Tensor, values: Tensor, shape: tuple[int, int], precision: Precision) -> Tensor:
        """A weight in the form that `apply` takes.

        Args:
            bits: The mask, as in `deepcuts.masks.bits.TensorBits.bits`; uint8.
            values: ``(kept,)``, float32, contiguous.
            shape: ``(out_features, in_features)``.
            precision: Of the weights.

        Returns:
            Bytes, uint8; the same for all instruction sets.

        Raises:
            KernelError: There is no memory for it, or another failure.
        """
        arranged = c_void_p()
        size = self._library.deepcuts_pack(
            bits.data_ptr(), values.data_ptr(), *shape, int(precision == "bfloat16"), byref(arranged)
        )
        _check(-min(size, 0), f"to arrange a weight of shape {shape}")
        try:
            return torch.from_numpy(np.array((ctypes.c_uint8 * size).from_address(arranged.value or 0)))
        finally:
            self._library.deepcuts_free(arranged)

    def apply(self, layers: Sequence[KernelLinear], inputs: Tensor, *, chained: bool = False) -> list[Tensor]:
        """The outputs of layers, with as many threads as PyTorch uses.

        Args:
            layers: One or more of the same precision and number of inputs.
            inputs: ``(tokens, in_features)``, float32, each row contiguous.
            chained: There are two layers, and the second takes the outputs of the first.

        Returns:
            For each layer ``(tokens, out_features)``; if chained, for the second only.
        """
        tokens = inputs.shape[0]
        outputs = [torch.empty(tokens, one.shape[0], dtype=torch.float32, device="cpu") for one in layers]
        given = [inputs, outputs[0]] if chained else [inputs] * len(layers)
        filled = (
            Linear(
                one.arranged.data_ptr(),
                *one.shape,
                int(one.precision == "bfloat16"),
                int(one.activation == "gelu"),
                None if one.bias is None else one.bias.data_ptr(),
                source.data_ptr(),
                tokens,
                source.stride(0),
                target.data_ptr(),
                one.shape[0],
            )
            for one, source, target in zip(layers, given, outputs, strict=True)
        )
        array = (Linear * len(layers))(*filled)
        linears = Linears(array, len(layers), int(chained))
        # ctypes lets other Python threads run meanwhile.
        status = self._library.deepcuts_linears(self._index, byref(linears), torch.get_num_threads())
        _check(status, f"for layers of shapes {[one.shape for one in layers]}")
        return outputs[1:] if chained else outputs

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        allowed: Tensor | None,
        scale: float,
        precision: Precision,
    ) -> Tensor:
        """softmax(scale · query · keyᵀ) · value for each head, with as many threads as PyTorch uses.

        Args:
            query: ``(batch, heads, queries, features)``, float32; the last dimension contiguous, and a
                multiple of 16.
            key: ``(batch, heads, keys, features)``, of the same kind.
            value: Of the shape and kind of the keys.
            allowed: ``(batch, queries, keys)``, bool, the last dimension contiguous: where a query sees a
                key. None: everywhere. The output of a query that sees none is 0.
            scale: Above 0.
            precision: Of the products, where the processor has products in bfloat16; sums are float32.

        Returns:
            ``(batch, queries, heads, features)``.
        """
        batch, heads, queries, features = query.shape
        outputs = torch.empty(batch, queries, heads, features, dtype=torch.float32, device="cpu")
        if key.shape[2] == 0:
            return outputs.zero_()
        # Transposed, the outputs have their dimensions in the order of the others.
        steps = [(c_int64 * 3)(*one.stride()[:3]) for one in (query, key, value, outputs.transpose(1, 2))]
        attention = Attention(
            *(one.data_ptr() for one in (query, key, value, outputs)),
            None if allowed is None else allowed.data_ptr(),
            batch,
            heads,
            queries,
            key.shape[2],
            features,
            *steps,
            (c_int64 * 2)(*((0, 0) if allowed is None else allowed.stride()[:2])),
            scale,
            int(precision == "bfloat16"),
        )
        status = self._library.deepcuts_attention(self._index, byref(attention), torch.get_num_threads())
        _check(status, f"for the attention of {key.shape[2]:,} tokens")
        return outputs

    def add_norm(self, a: Tensor, b: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        """Layer normalisation of ``a + b``.

        Args:
            a: ``(rows, columns)``, float32, contiguous; at least one column.
            b: Like ``a``.
            weight: ``(columns,)``, float32, contiguous.
            bias: Like ``weight``.
            epsilon: Added to the variance.

        Returns:
            A tensor like ``a``.
        """
        outputs = torch.empty_like(a)
        pointers = (one.data_ptr() for one in (a, b, weight, bias, outputs))
        norm = AddNorm(*pointers, *a.shape, epsilon)
        status = self._library.deepcuts_add_norm(self._index, byref(norm), torch.get_num_threads())
        _check(status, f"for the normalisation of {tuple(a.shape)}")
        return outputs


def load(path: Path = build.LIBRARY) -> dict[str, Kernel]:
    """The kernels of a library that this processor can run, by instruction set, the best first.

    Raises:
        OSError: The library is missing, can't be loaded, or was built from other sources.
    """
    library = ctypes.CDLL(str(path))
    library.deepcuts_sources.restype = c_char_p
    if library.deepcuts_sources().decode() != build.sources_digest():
        raise OSError(f"{path} was built from other sources")
    library.deepcuts_kernel_name.restype = c_char_p
    library.deepcuts_pack.restype = c_int64
    library.deepcuts_pack.argtypes = [c_void_p, c_void_p, c_int64, c_int64, c_int32, POINTER(c_void_p)]
    library.deepcuts_free.restype = None
    library.deepcuts_free.argtypes = [c_void_p]
    library.deepcuts_linears.argtypes = [c_int32, POINTER(Linears), c_int64]
    library.deepcuts_attention.argtypes = [c_int32, POINTER(Attention), c_int64]
    library.deepcuts_add_norm.argtypes = [c_int32, POINTER(AddNorm), c_int64]
    kernels = (
        Kernel(library, index)
        for index in range(library.deepcuts_kernel_count())
        if library.deepcuts_kernel_supported(index)
    )
    return {kernel.name: kernel for kernel in kernels}


@cache
def chosen() -> Kernel | None:
    """The kernel that layers use: the best, or what the environment names; None for the fallback.

    Where the library can't be had, a warning says so once.

    Raises:
        InputError: The environment names an instruction set that this processor or library lacks.
    """
    named = os.environ.get(CHOICE)
    if named == FALLBACK:
        return None
    try:
        kernels = load()
    except OSError as error:
        if named:
            raise InputError(CHOICE, named, f"there is no compiled kernel ({error})") from None
        warnings.warn(
            f"pruned layers run without the compiled kernel, several times slower ({error}); where there is "
            "a C++ compiler, build it with: python -m deepcuts.deploy.runtime.build",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    if named and named not in kernels:
        allowed = ", ".join([*kernels, FALLBACK])
        raise InputError(CHOICE, named, f"this processor and library have {allowed}")
    return kernels[named] if named else next(iter(kernels.values()))
