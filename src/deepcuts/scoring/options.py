"""The options of scoring, with the defaults of the method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from deepcuts.common.errors import InputError


@dataclass(frozen=True)
class ScoringOptions:
    """How scores are computed; a different value is a different score.

    Attributes:
        shift: λ of Cam-Cut (DeepCuts, eq. 5), added to the activations. Default 10.
        noise_std: Standard deviation of the Gaussian noise of smoothed scores (eq. 8). Default 0.1, the
            paper's variance of 0.01.
        paths: η, noisy passes a batch of smoothed scores (eq. 9). Default 10.
        dropout: Whether dropout is on while scoring. Default off.
        precision: ``"fp32"``, or ``"bf16"`` for autocast in the passes; weights, gradients and sums stay in
            float32. Default ``"fp32"``.
        compile: Whether the passes without noise are compiled by ``torch.compile``, which takes a minute or
            so before the first batch; scores then differ by rounding. Needs dropout off, and a C++ compiler
            on a CPU. Default off.
        padding: Whether padding tokens count in the mean activation. Default left out.
        max_batches: Batches used by scores of one pass; None for all that are given.
        max_smooth_batches: Batches used by smoothed scores; None for all that are given.

    Raises:
        InputError: A value is out of range; raised when the options are made.
    """

    shift: float = 10.0
    noise_std: float = 0.1
    paths: int = 10
    dropout: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    padding: bool = False
    max_batches: int | None = None
    max_smooth_batches: int | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.shift):
            raise InputError("shift", self.shift, "it must be a finite number")
        if not (math.isfinite(self.noise_std) and self.noise_std >= 0):
            raise InputError("noise_std", self.noise_std, "it must be a finite number, 0 or more")
        if self.paths < 1:
            raise InputError("paths", self.paths, "it must be 1 or more")
        if self.precision not in ("fp32", "bf16"):
            raise InputError("precision", self.precision, "it must be fp32 or bf16")
        if self.compile and self.dropout:
            raise InputError("compile", True, "dropout must be off: compiled code draws other random numbers")
        for name in ("max_batches", "max_smooth_batches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(name, value, "it must be 1 or more, or None for all batches")
