"""Grad-CAM for weights: weight times gradient, times the mean output of the weight's row.

Formula: ``|w · g · (a + λ)|``. Source: DeepCuts, eq. 5. With λ = 0 it is GradCAM; with a large λ
(Cam-Cut, λ = 10 by default) the factor ``a + λ`` is nearly the same for all rows, and the score
approaches that of ``gradient``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.common.options import Option
from deepcuts.scoring.criteria.registry import criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor

SHIFT = Option("shift", float, 10.0, "λ of Cam-Cut.", symbol="λ")


@criterion(
    "GradCAM",
    needs=["gradient", "activation"],
    formula="|w · g · a|",
    source="DeepCuts, eq. 5, λ = 0",
    by_row=True,
)
def gradcam(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w · g · a|``, shaped like the tensor; a is one value per output row."""
    return stats.taylor.mul_(stats.cam).abs_()


@criterion(
    "GradCAMShift",
    needs=["gradient", "activation"],
    formula="|w · g · (a + λ)|",
    source="DeepCuts, eq. 5 (Cam-Cut)",
    options=[SHIFT],
    by_row=True,
)
def gradcam_shift(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w · g · (a + λ)|``, shaped like the tensor; λ is the option `shift`."""
    return stats.taylor.mul_(stats.cam + options.shift).abs_()
