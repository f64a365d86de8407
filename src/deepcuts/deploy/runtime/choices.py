"""What was decided for a model: which layers run sparse, and up to which density that is faster here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from deepcuts.deploy.runtime import kernel
from deepcuts.deploy.runtime.break_even import break_even
from deepcuts.deploy.runtime.kernel import Precision

_ATTRIBUTE = "deepcuts_choices"


@dataclass(frozen=True)
class Choices:
    """How a model runs. All of it changes the last digits of what the model says.

    Attributes:
        kernel: The kernel's instruction set, or the fallback's name.
        precision: Of the sparse layers.
        sparse: How many pruned layers run sparse.
        dense: How many run dense, because they are denser than is faster.
        break_even: Shape (``"1536x384"``: outputs, inputs) → the density up to which layers of it run sparse.
        measured: Whether these were measured on this machine, and not given.
        attention: Whether the kernel computes attention.
        whole_layers: How many of the encoder's layers the kernel runs as a whole.
    """

    kernel: str
    precision: Precision
    sparse: int
    dense: int
    break_even: dict[str, float]
    measured: bool
    attention: bool
    whole_layers: int

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    def __str__(self) -> str:
        limits = ", ".join(f"{shape} up to {limit:.3f}" for shape, limit in self.break_even.items())
        why = "faster here" if self.measured else "as asked"
        attention = "the kernel" if self.attention else "PyTorch"
        return (
            f"{self.sparse} of {self.sparse + self.dense} pruned layers run sparse by the kernel "
            f"{self.kernel} in {self.precision} ({why}: {limits}), attention by {attention}"
        )


def choices_of(model: nn.Module) -> Choices | None:
    """What was decided for a model that `sparsify` or `load` made; None for any other."""
    return getattr(model, _ATTRIBUTE, None)


class Chooser:
    """Decides layer by layer, and keeps account.

    Args:
        precision: Of the sparse layers.
        dense_above: The density above which layers stay dense; measured if None.
    """

    def __init__(self, precision: Precision, dense_above: float | None) -> None:
        self._precision = precision
        self._dense_above = dense_above
        self._limits: dict[str, float] = {}
        self._sparse = 0
        self.asked = 0

    def is_sparse(self, shape: tuple[int, int], density: float, dense_type: torch.dtype) -> bool:
        """Whether a pruned layer is to be sparse.

        Args:
            shape: ``(out_features, in_features)``.
            density: Share of its weights that are kept.
            dense_type: The type that its weights would have.
        """
        limit = self._dense_above
        if limit is None:
            limit = break_even(shape, self._precision, dense_type)
        self._limits["x".join(map(str, shape))] = limit
        self.asked += 1
        self._sparse += density <= limit
        return density <= limit

    def note(self, model: nn.Module, whole_layers: int) -> None:
        """Note on a model what was decided, for `choices_of`.

        Args:
            model: The model that was made.
            whole_layers: How many of its encoder's layers the kernel runs.
        """
        chosen = kernel.chosen()
        implementation = getattr(getattr(model, "config", None), "_attn_implementation", None) or ""
        found = Choices(
            kernel=chosen.name if chosen else kernel.FALLBACK,
            precision=self._precision,
            sparse=self._sparse,
            dense=self.asked - self._sparse,
            break_even=self._limits,
            measured=self._dense_above is None,
            attention=implementation.startswith("deepcuts"),
            whole_layers=whole_layers,
        )
        setattr(model, _ATTRIBUTE, found)
