"""What a measure is, apart from its formula."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: A measure so little above the constant's counts as the constant's, however many rows there are.
NEAR_CONSTANT = 0.01


@dataclass(frozen=True)
class Measure:
    """A measure, for people and for whoever compares two values of it.

    Attributes:
        title: Its name with range or unit, such as ``"accuracy, 0 to 1"``.
        lower_is_better: Whether it is to be small.
        is_share: Whether it is a share of rows, whose error by chance is a binomial's; else a correlation's.
        is_drawn: Whether a report shows it beside the primary one.
    """

    title: str
    lower_is_better: bool = False
    is_share: bool = False
    is_drawn: bool = True

    def chance(self, constant: float, rows: int) -> float:
        """How far above a constant's it may lie by chance: two standard errors, at least `NEAR_CONSTANT`.

        A correlation of independent values has a standard error of ``1 / sqrt(rows)``, a share one of
        ``sqrt(p (1 - p) / rows)``.

        Args:
            constant: What the constant reaches.
            rows: How many rows were measured on.
        """
        variance = max(0.0, constant * (1 - constant)) if self.is_share else 1.0
        return max(NEAR_CONSTANT, 2 * math.sqrt(variance / rows))


#: Of several kinds of task.
MACRO_F1 = Measure("macro F1, the mean over classes that occur, 0 to 1", is_share=True, is_drawn=False)
