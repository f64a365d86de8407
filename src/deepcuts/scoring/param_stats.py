"""What is known of one tensor when a formula is applied: the only thing a criterion sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor


_OWN = ("gradient", "activation")  # the paper's, which have attributes of their own


@dataclass(frozen=True)
class ParamStats:
    """One tensor's statistics, of one batch or accumulated over all of them; float32.

    Attributes:
        value: The tensor's value w, of any shape; ``(out_features, in_features)`` for a linear weight.
        gradient: The gradient g of the batch's loss, shaped like `value`; the mean over its passes for a
            gradient that has several. None unless the criterion needs it.
        activation: Mean output a of the tensor's linear layer, before any activation function, in a shape
            that broadcasts to `value`: ``(out_features, 1)`` for a weight, ``(out_features,)`` for a bias.
            None unless the criterion needs it.
        seed: A number of this tensor's own, derived from the run's seed and the tensor's name.
        others: Every other statistic that the criterion needs, by name; read them as ``stats["name"]``.
    """

    value: Tensor
    gradient: Tensor | None = None
    activation: Tensor | None = None
    seed: int = 0
    others: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        """A statistic by its name."""
        found = getattr(self, name) if name in _OWN else self.others.get(name)
        assert found is not None, f"the criterion did not declare that it needs the {name}"
        return found

    def rows(self, block: slice) -> ParamStats:
        """The statistics of some of the rows; views, nothing is copied."""

        def part(tensor: Tensor) -> Tensor:
            by_row = tensor.dim() == self.value.dim() and tensor.shape[0] == self.value.shape[0]
            return tensor[block] if by_row else tensor

        return ParamStats(
            self.value[block],
            None if self.gradient is None else self.gradient[block],
            None if self.activation is None else self.activation[block],
            self.seed,
            {name: part(tensor) for name, tensor in self.others.items()},
        )

    @property
    def taylor(self) -> Tensor:
        """W · g, the first-order change of the loss when the weight goes; shaped like `value`."""
        return self.value * self["gradient"]

    @property
    def cam(self) -> Tensor:
        """The activation a, for criteria that declared that they need it."""
        return self["activation"]
