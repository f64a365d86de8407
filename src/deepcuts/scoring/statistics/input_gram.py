"""The inputs' Gram matrix H = X Xᵀ of a tensor's linear layer, and what is left of it column by column.

Source: Frantar and Alistarh, "SparseGPT", 2023. Over all tokens of all batches, padding left out; the bias
is one more column whose input is 1, the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepcuts.common.options import Option
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.shared_options import PADDING
from deepcuts.scoring.statistics.registry import Call, LayerStatistic, statistic

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAM_DAMPENING = Option(
    "gram_dampening",
    float,
    0.01,
    "Added to the diagonal of X Xᵀ, as a share of its mean.",
    above=0,
    title="dampening of X Xᵀ",
)


@statistic("input_gram", options=[PADDING, GRAM_DAMPENING])
class InputGram(LayerStatistic):
    """The sum of x xᵀ over tokens."""

    def __init__(self, layers: Sequence[nn.Linear], options: ScoringOptions) -> None:
        import torch  # late: a command's help should not wait for it

        weight = layers[0].weight
        self._padding, self._dampening = options.padding, options.gram_dampening
        self._has_bias = layers[0].bias is not None
        size = weight.shape[1] + self._has_bias
        self.state = {"gram": torch.zeros(size, size, device=weight.device)}
        self._roots: Tensor | None = None

    @classmethod
    def memory(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """A matrix of the inputs by the inputs."""
        return 4 * (shape[1] + 1) ** 2 if len(shape) == 2 else 0

    @classmethod
    def working(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """The matrix, its root, its inverse and that one's root in float64."""
        return 4 * 8 * (shape[1] + 1) ** 2 if len(shape) == 2 else 0

    def observe(self, call: Call) -> None:
        """Add the products of one run's inputs."""
        from torch.nn.functional import pad  # late, as above

        inputs = pad(call.inputs, (0, 1), value=1.0) if self._has_bias else call.inputs
        weights = call.weights(self._padding)
        counted = inputs if weights is None else inputs * weights[:, None]
        self.state["gram"].addmm_(counted.T, inputs)
        self._roots = None

    def upper(self) -> Tensor:
        """The upper Cholesky factor U of H⁻¹, ``(inputs, inputs)``, float64.

        ``U_jj²`` is the diagonal of the inverse of what of H belongs to column j and those after it.
        """
        import torch  # late, as above

        gram = self.state["gram"].double()
        dampening = self._dampening * gram.diagonal().mean().clamp_min(1e-12)
        gram.diagonal().add_(dampening)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        found: Tensor = torch.linalg.cholesky(inverse, upper=True)
        return found

    def compute(self, parameter: Tensor) -> Tensor:
        """``U_jj²``: ``(1, in_features)`` for a weight's columns, ``(1,)`` for a bias."""
        if self._roots is None:  # once for a weight and its bias
            self._roots = self.upper().diagonal().square().float()
        inputs = len(self._roots) - self._has_bias
        return self._roots[None, :inputs] if parameter.dim() == 2 else self._roots[inputs:]
