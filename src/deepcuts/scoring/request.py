"""A request for scores: a strategy with options of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.strategy import Strategy


@dataclass(frozen=True)
class ScoreRequest:
    """A strategy, with options of its own.

    Attributes:
        strategy: The strategy.
        options: How it is scored; those that it doesn't read count for nothing.
    """

    strategy: Strategy
    options: ScoringOptions = field(default_factory=ScoringOptions)

    @property
    def compiles(self) -> bool:
        """Whether any of its passes are compiled by ``torch.compile``."""
        return self.strategy.options_read(self.options).compile
