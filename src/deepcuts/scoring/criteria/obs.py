"""The optimal surgeon: what the loss rises when a weight goes and its neighbours make up for it.

Formula: ``w² / [F⁻¹]_ii``, F the empirical Fisher information in blocks. Source: Hassibi and Stork, "Optimal
brain surgeon", 1993; Kurtic et al., "The optimal BERT surgeon", 2022. With blocks of one weight it ranks as
`fisher` does, but for λ. Kept weights of a block get the values that are best without the cut ones.
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
    from deepcuts.scoring.statistics.fisher_blocks import FisherBlocks

    found = {}
    for name, accumulated in cut.statistics("fisher_blocks").items():
        assert isinstance(accumulated, FisherBlocks)
        found[name] = accumulated.updated(cut.parameters[name].detach(), cut.masks[name])
    return found


@criterion(
    "OBS",
    needs=["fisher_blocks"],
    formula="w² / [F⁻¹]_ii",
    source="Kurtic et al., 2022",
    update=_update,
)
def obs(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``w² / [F⁻¹]_ii``, shaped like the tensor."""
    return stats.value.square().div_(stats["fisher_blocks"])
