"""Grad-CAM with the rectifier of the original Grad-CAM: rows with a negative mean output count nothing.

Formula: ``|w · g · max(a, 0)|``. Source: DeepCuts, §3.4.3, the ablation. About half of all rows score
exactly 0 in a batch, so a cut at moderate density can depend on ties; `gradcam` keeps their sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "GradCAMReLU",
    needs=["gradient", "activation"],
    formula="|w · g · max(a, 0)|",
    source="DeepCuts, §3.4.3",
    by_row=True,
)
def gradcam_relu(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w · g · max(a, 0)|``, shaped like the tensor."""
    return stats.taylor.mul_(stats.cam.clamp(min=0)).abs_()
