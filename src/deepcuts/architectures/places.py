"""Where a parameter stands in an encoder: which layer, which kind, read off its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from deepcuts.architectures.families import Architecture, Kind, all_architectures


@dataclass(frozen=True)
class Place:
    """Where a parameter stands.

    Attributes:
        layer: Number of its layer, from 0; None outside of layers. Shared layers count once.
        kind: What its module does, such as ``"attention query"``; ``"other"`` where the name doesn't say.
        is_bias: Whether it is a bias.
    """

    layer: int | None
    kind: str
    is_bias: bool

    @property
    def block(self) -> str:
        """``"attention"`` or ``"feed-forward"``, the halves that the paper shows apart; else the kind."""
        return next((half for half in ("attention", "feed-forward") if self.kind.startswith(half)), self.kind)


def place_of(name: str) -> Place:
    """Read a parameter's place off its name, for the known architectures."""
    module, _, parameter = name.rpartition(".")
    parts, layers = _spelled(tuple(all_architectures().items()))
    kind = next((kind for path, kind in parts if f".{module}".endswith(f".{path}")), "other")
    layer = layers.search(f".{name}")
    return Place(int(layer.group(1)) if layer else None, kind, parameter == "bias")


@cache
def _spelled(
    known: tuple[tuple[str, Architecture], ...],
) -> tuple[list[tuple[str, Kind]], re.Pattern[str]]:
    """How the architectures spell their parts, the longest first, and the numbers of their layers."""
    parts = {path: kind for _, one in known for path, kind in one.parts.items()}
    names = "|".join(sorted({re.escape(one.layers) for _, one in known}))
    ordered = sorted(parts.items(), key=lambda item: -len(item[0]))
    return ordered, re.compile(rf"\.(?:{names})\.(\d+)\.")
