"""Weight times gradient: the first-order estimate of the loss's change when a weight is removed.

Formula: ``|w · g|``. Source: DeepCuts, eq. 4; Molchanov et al., 2017. Its smoothed form, with the
gradient averaged over noisy passes, is the paper's SmoothGrad ("Smooth-Cut", eq. 9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import InPaper, criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "MagGrad",
    needs=["gradient"],
    formula="|w · g|",
    source="DeepCuts, eq. 4",
    short_name="Grad",
    by_row=True,
    in_paper=[InPaper("LayerMagGrad", 3), InPaper("LayerSmoothGrad", 6, "Smooth-Cut")],
)
def gradient(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w · g|``, shaped like the tensor."""
    return stats.taylor.abs_()
