"""Magnitude: the size of a weight.

Formula: ``|w|``. Source: DeepCuts, eq. 1; Han et al., 2015. It needs no data, so it says what the
pretraining and fine-tuning left, not what the task uses; every other criterion multiplies it by
something that the task's loss says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import InPaper, criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "MagWeight",
    formula="|w|",
    source="DeepCuts, eq. 1",
    in_paper=[InPaper("LayerMagWeight", 1), InPaper("GlobalMagWeight", 2)],
)
def magnitude(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w|``, shaped like the tensor."""
    return stats.value.abs()
