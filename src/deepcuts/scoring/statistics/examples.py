"""What single examples' gradients g_n come to: the mean of their squares, and the sum of their sizes.

Summed over a batch, gradients of examples that disagree cancel; here none does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.statistics.registry import ExampleStatistic, statistic

if TYPE_CHECKING:
    from torch import Tensor


class _Sum(ExampleStatistic):
    """A sum shaped like the tensor, and how many examples it is of."""

    def __init__(self, parameter: Tensor, options: ScoringOptions) -> None:
        import torch  # late: a command's help should not wait for it

        self.state = {
            "sum": torch.zeros_like(parameter, dtype=torch.float32, requires_grad=False),
            "count": torch.zeros((), dtype=torch.float64, device=parameter.device),
        }


@statistic("squared_gradient")
class SquaredGradient(_Sum):
    """The mean over examples of g_n²: the diagonal of the empirical Fisher information."""

    def update(self, gradients: Tensor) -> None:
        """Add the squares of some examples' gradients."""
        for one in gradients:  # in place: no block of squares is made
            self.state["sum"].addcmul_(one, one)
        self.state["count"] += len(gradients)

    def compute(self, parameter: Tensor) -> Tensor:
        """The mean, shaped like the parameter."""
        return self.state["sum"] / self.state["count"].clamp_min(1).float()


@statistic("gradient_size")
class GradientSize(_Sum):
    """The sum over examples of |g_n|."""

    def update(self, gradients: Tensor) -> None:
        """Add the sizes of some examples' gradients."""
        for one in gradients:
            self.state["sum"].add_(one.abs())
        self.state["count"] += len(gradients)

    def compute(self, parameter: Tensor) -> Tensor:
        """The sum, shaped like the parameter."""
        return self.state["sum"]
