"""Grad-CAM for weights: weight times gradient, times the mean output of the weight's row.

Formula: ``|w · g · (a + λ)|``. Source: DeepCuts, eq. 5. With λ = 0 it is GradCAM; with a large λ
(Cam-Cut, λ = 10 by default) the factor ``a + λ`` is nearly the same for all rows, and the score
approaches that of ``gradient``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.common.options import Option
from deepcuts.scoring.criteria.registry import InPaper, criterion
from deepcuts.scoring.options import Limit, ScoringOptions
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
    in_paper=[InPaper("LayerGradCAM", 4), InPaper("LayerSmoothGradCAM", 7)],
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
    in_paper=[
        InPaper("LayerGradCAMShift", 5, "Cam-Cut"),
        InPaper("LayerSmoothGradCAMShift", 8, "Smooth-Cam-Cut"),
    ],
    # The greater λ is, the more a + λ is the same for all rows, which leaves weight times gradient.
    limits=[Limit("shift", "λ → ∞", "MagGrad"), Limit("shift", "λ = 0", "GradCAM", 0)],
)
def gradcam_shift(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w · g · (a + λ)|``, shaped like the tensor; λ is the option `shift`."""
    return stats.taylor.mul_(stats.cam + options.shift).abs_()
