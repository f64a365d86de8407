"""The squared first-order change of the loss.

Formula: ``(w · g)²``. Source: Molchanov et al., "Importance estimation for neural network pruning", 2019.
It ranks one batch as `gradient` does; summed over batches it gives more weight to those in which a weight
matters much. (Per example, which is another thing, it is `fisher`.)
"""

from __future__ import annotations

from torch import Tensor

from deepcuts import ParamStats, ScoringOptions, criterion


@criterion("SquaredGrad", needs=["gradient"], formula="(w · g)²", source="Molchanov et al., 2019")
def squared_gradient(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``(w · g)²``, shaped like the tensor."""
    return stats.taylor.square_()
