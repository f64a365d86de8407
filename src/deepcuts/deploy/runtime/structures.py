"""The kernel's C structures, as ctypes fills them."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_float, c_int32, c_int64, c_void_p


class Linear(ctypes.Structure):
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


class Linears(ctypes.Structure):
    """Mirrors ``Linears`` of native/kernel.h."""

    _fields_ = (("layers", POINTER(Linear)), ("count", c_int64), ("chained", c_int32))


class Attention(ctypes.Structure):
    """Mirrors ``Attention`` of native/kernel.h."""

    _fields_ = (
        ("query", c_void_p),
        ("key", c_void_p),
        ("value", c_void_p),
        ("output", c_void_p),
        ("allowed", c_void_p),
        ("batch", c_int64),
        ("heads", c_int64),
        ("queries", c_int64),
        ("keys", c_int64),
        ("features", c_int64),
        ("query_steps", c_int64 * 3),
        ("key_steps", c_int64 * 3),
        ("value_steps", c_int64 * 3),
        ("output_steps", c_int64 * 3),
        ("allowed_steps", c_int64 * 2),
        ("scale", c_float),
        ("half", c_int32),
    )


class AddNorm(ctypes.Structure):
    """Mirrors ``AddNorm`` of native/kernel.h."""

    _fields_ = (
        ("a", c_void_p),
        ("b", c_void_p),
        ("weight", c_void_p),
        ("bias", c_void_p),
        ("output", c_void_p),
        ("rows", c_int64),
        ("columns", c_int64),
        ("epsilon", c_float),
    )
