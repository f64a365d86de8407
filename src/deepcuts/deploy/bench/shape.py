"""The shapes of batches that are timed, and how often."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deepcuts.common.errors import InputError

#: Fewer turns than this have no spread worth the name.
FEWEST_TURNS = 3


_SIZE = re.compile("0*[1-9][0-9]{0,8}")


@dataclass(frozen=True, order=True)
class Shape:
    """Of a batch without padding.

    Attributes:
        rows: Texts, 1 or more.
        tokens: Tokens of each, 1 or more.
    """

    rows: int
    tokens: int

    @classmethod
    def parse(cls, text: str) -> Shape:
        """From ``ROWSxTOKENS``, such as ``16x128``.

        Raises:
            InputError: It is something else.
        """
        parts = text.lower().split("x")
        if len(parts) != 2 or not all(map(_SIZE.fullmatch, parts)):
            raise InputError("shape", text, "it must be ROWSxTOKENS, such as 16x128, both 1 to 999,999,999")
        return cls(int(parts[0]), int(parts[1]))

    def __str__(self) -> str:
        return f"{self.rows}x{self.tokens}"


def check_turns(turns: int) -> None:
    """Refuse too few turns.

    Raises:
        InputError: There are.
    """
    if turns < FEWEST_TURNS:
        raise InputError("turns", turns, f"it must be {FEWEST_TURNS} or more")
