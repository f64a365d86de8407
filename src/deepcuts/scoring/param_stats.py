"""What one batch tells about one tensor: the only thing a criterion sees."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ParamStats:
    """One tensor's statistics of one batch.

    Attributes:
        value: The tensor's value w, of any shape; ``(out_features, in_features)`` for a linear weight.
        gradient: The gradient g of the batch's loss, shaped like `value`; the mean over the noisy passes
            for a smoothed score. None unless the criterion needs it.
        activation: Mean output a of the tensor's linear layer, before any activation function, in a shape
            that broadcasts to `value`: ``(out_features, 1)`` for a weight, ``(out_features,)`` for a bias.
            None unless the criterion needs it.
        seed: A number of this tensor's own, derived from the run's seed and the tensor's name.
    """

    value: Tensor
    gradient: Tensor | None = None
    activation: Tensor | None = None
    seed: int = 0

    def rows(self, block: slice) -> ParamStats:
        """The statistics of some of the rows; views, nothing is copied."""
        return ParamStats(
            self.value[block],
            None if self.gradient is None else self.gradient[block],
            None if self.activation is None else self.activation[block],
            self.seed,
        )

    @property
    def taylor(self) -> Tensor:
        """W · g, the first-order change of the loss when the weight goes; shaped like `value`."""
        assert self.gradient is not None, "the criterion did not declare that it needs the gradient"
        return self.value * self.gradient

    @property
    def cam(self) -> Tensor:
        """The activation a, for criteria that declared that they need it."""
        assert self.activation is not None, "the criterion did not declare that it needs the activation"
        return self.activation
