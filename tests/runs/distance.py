"""A criterion from outside of the package, with an option of its own."""

from __future__ import annotations

from torch import Tensor

from deepcuts import ParamStats, ScoringOptions, criterion
from deepcuts.common.options import Option

CENTRE = Option("centre", float, 0.0, "Where weights are thought to be idle.", symbol="c", at_least=-1)


@criterion("Distance", formula="|w − c|", source="a test", options=[CENTRE])
def distance(stats: ParamStats, options: ScoringOptions) -> Tensor:
    """Importances ``|w − c|``, shaped like the tensor."""
    return (stats.value - options.centre).abs()
