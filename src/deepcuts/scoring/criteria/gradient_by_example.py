"""Weight times gradient, example by example: what of ``gradient`` the sum over a batch hides.

Formula: ``Σ |w · g_n|`` over examples n. Source: this project, after DeepCuts, eq. 4, which takes the
gradient of a batch, in which those of its examples cancel as far as they disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "MagGradByExample",
    needs=["gradient_size"],
    formula="Σ |w · g_n|",
    source="this project",
    short_name="GradByExample",
)
def gradient_by_example(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``Σ |w · g_n|``, shaped like the tensor; the sum is over examples."""
    return stats.value.abs().mul_(stats["gradient_size"])
