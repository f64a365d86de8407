"""SparseGPT: what a layer's output changes by when a weight goes and the columns after it make up for it.

Formula: ``w² / [H⁻¹]_jj``, H = X Xᵀ + dampening of column j and those after it. Source: Frantar and Alistarh,
"SparseGPT: massive language models can be accurately pruned in one-shot", 2023. There each stretch of
columns is cut by values that are updated already, here all by the dense ones, so that any allocation may
divide the budget; the update of the kept weights, layer after layer, is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor

    from deepcuts.scoring.updates import Cut


def _update(cut: Cut) -> Mapping[str, Tensor]:
    from deepcuts.scoring.reconstruction import reconstructed  # late: it needs torch

    return reconstructed(cut)


@criterion(
    "SparseGPT",
    needs=["input_gram"],
    formula="w² / [H⁻¹]_jj",
    source="Frantar and Alistarh, 2023",
    update=_update,
)
def sparsegpt(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``w² / [H⁻¹]_jj``, shaped like the tensor; j is a weight's column."""
    return stats.value.square() / stats["input_gram"]
