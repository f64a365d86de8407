"""Random importances: the control that every other criterion must beat.

Formula: uniform on [0, 1), a stream of its own for every tensor, from the seed and the tensor's name.
Source: none in the paper, which lacks this control. Drawn on the CPU, so that a seed gives the same
mask on every device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepcuts.scoring.criteria.registry import criterion
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.param_stats import ParamStats

if TYPE_CHECKING:
    from torch import Tensor


@criterion("Random", formula="uniform random", source="control", any_scope=True, control=True)
def random(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Uniform random importances, shaped like the tensor."""
    import torch  # late: a command's help should not wait for it

    generator = torch.Generator().manual_seed(stats.seed)
    return torch.rand(stats.value.shape, generator=generator).to(stats.value.device)
