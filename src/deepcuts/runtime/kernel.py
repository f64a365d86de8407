"""The compiled kernel, through its C interface: packing a weight and applying it."""

from __future__ import annotations

import ctypes
import os
import warnings
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from deepcuts.errors import InputError
from deepcuts.runtime import build

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Activation = Literal["gelu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

#: Environment variable that names the instruction set to use, or ``csr`` for the fallback.
CHOICE = "DEEPCUTS_KERNEL"
FALLBACK = "csr"


class _Linear(ctypes.Structure):
    """Mirrors ``Linear`` of native/kernel.h."""

    _fields_ = (
        ("packed", c_void_p),
        ("rows", c_int64),
        ("columns", c_int64),
        ("half", c_int32),
        ("activation", c_int32),
        ("bias", c_void_p),
        ("input", c_void_p),
        ("tokens", c_int64),
        ("input_stride", c_int64),
        ("output", c_void_p),
        ("output_stride", c_int64),
    )


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

    def pack(self, bits: Tensor, values: Tensor, shape: tuple[int, int], precision: Precision) -> Tensor:
        """A weight in the form that `apply` takes.

        Args:
            bits: The mask, as in `deepcuts.packed.PackedTensor.bits`; uint8.
            values: ``(kept,)``, float32, contiguous.
            shape: ``(out_features, in_features)``.
            precision: Of the weights.

        Returns:
            Bytes, uint8; the same for all instruction sets.
        """
        packed = c_void_p()
        size = self._library.deepcuts_pack(
            bits.data_ptr(), values.data_ptr(), *shape, int(precision == "bfloat16"), byref(packed)
        )
        if size < 0:
            raise MemoryError(f"no memory to pack a weight of shape {shape}")
        try:
            return torch.from_numpy(np.array((ctypes.c_uint8 * size).from_address(packed.value or 0)))
        finally:
            self._library.deepcuts_free(packed)

    def apply(
        self,
        packed: Tensor,
        shape: tuple[int, int],
        precision: Precision,
        bias: Tensor | None,
        activation: Activation | None,
        inputs: Tensor,
    ) -> Tensor:
        """The outputs, ``(tokens, out_features)``, with as many threads as PyTorch uses.

        Args:
            packed: What `pack` returned for this shape and precision.
            shape: ``(out_features, in_features)``.
            precision: Of weights and inputs; sums are always float32.
            bias: ``(out_features,)``, float32, contiguous.
            activation: What is applied last.
            inputs: ``(tokens, in_features)``, float32, each row contiguous.
        """
        tokens = inputs.shape[0]
        outputs = torch.empty(tokens, shape[0], dtype=torch.float32, device="cpu")
        linear = _Linear(
            packed.data_ptr(),
            *shape,
            int(precision == "bfloat16"),
            int(activation == "gelu"),
            None if bias is None else bias.data_ptr(),
            inputs.data_ptr(),
            tokens,
            inputs.stride(0),
            outputs.data_ptr(),
            shape[0],
        )
        # ctypes lets other Python threads run meanwhile.
        if self._library.deepcuts_linear(self._index, byref(linear), torch.get_num_threads()) != 0:
            raise MemoryError(f"no memory for the inputs of a layer of shape {shape}")
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
    library.deepcuts_linear.argtypes = [c_int32, POINTER(_Linear), c_int64]
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
            "a C++ compiler, build it with: python -m deepcuts.runtime.build",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    if named and named not in kernels:
        allowed = ", ".join([*kernels, FALLBACK])
        raise InputError(CHOICE, named, f"this processor and library have {allowed}")
    return kernels[named] if named else next(iter(kernels.values()))
