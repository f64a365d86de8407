"""Fisher information: the second-order estimate of the loss's change when a weight is removed.

Formula: ``w² · mean(g_n²)`` over examples n. Source: LeCun et al., "Optimal brain damage", 1990, and Theis
et al., "Faster gaze prediction with dense networks and Fisher pruning", 2018: near a minimum, the second
derivatives of the loss are about the mean squares of the examples' gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "Fisher",
    needs=["squared_gradient"],
    formula="w² · mean(g_n²)",
    source="LeCun et al., 1990; Theis et al., 2018",
)
def fisher(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``w² · mean(g_n²)``, shaped like the tensor; the mean is over examples."""
    return stats.value.square().mul_(stats["squared_gradient"])
