"""Wanda: weight times the norm of its input.

Formula: ``|w| · ‖x‖₂`` over all tokens of all batches, padding left out. Source: Sun et al., "A simple and
effective pruning approach for large language models", 2023, where weights are compared within their row:
``RowWanda``. It takes no gradient. A bias's input is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor


@criterion("Wanda", needs=["input_norm"], formula="|w| · ‖x‖₂", source="Sun et al., 2023")
def wanda(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w| · ‖x‖₂``, shaped like the tensor."""
    return stats.value.abs() * stats["input_norm"]
