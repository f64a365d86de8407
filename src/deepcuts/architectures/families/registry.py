"""What an architecture is made of, and the one table of all architectures.

From it follow which parameters may be cut (`deepcuts.architectures.parameters`), the kinds of places in
analyses (`deepcuts.architectures.places`), and what the runtime fuses and runs as a whole
(`deepcuts.deploy.runtime`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from deepcuts.common import plugins

#: What a linear layer of an encoder does.
Kind = Literal[
    "pooler",
    "attention query, key and value",
    "attention query",
    "attention key",
    "attention value",
    "attention output",
    "feed-forward in",
    "feed-forward out",
]


@dataclass(frozen=True, eq=False)
class Architecture:
    """An encoder, as Transformers builds it.

    Attributes:
        model_type: As ``config.model_type`` spells it.
        encoder: Names of modules whose linear layers are the encoder and the pooler: a layer may be cut if
            one of these is a part of its path.
        layers: What stands in a path before the number of a layer.
        parts: Path of a linear layer, from a layer of the encoder (or, for the pooler, from the encoder's own
            module) → what it does. Heads lie one after the other in the rows of query, key and value, and
            in the columns of the attention's output.
        joined: How query, key and value lie in the rows of one matrix: ``"stacked"``, all heads of each, or
            ``"by head"``, all three of each head. None where they are three matrices.
        feed_forward: Class of a module that returns ``activation(linear(x))`` of two children of its own
            and uses neither otherwise → the names of the two.
        whole_layer: Class of layers that are attention, add and norm, feed-forward, add and norm, with BERT's
            names inside, and the module of that class; None for other layers.
    """

    model_type: str
    encoder: frozenset[str]
    parts: Mapping[str, Kind]
    layers: str = "layer"
    joined: Literal["stacked", "by head"] | None = None
    feed_forward: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    whole_layer: tuple[str, str] | None = None


REGISTRY: dict[str, Architecture] = {}


def register_architecture(architecture: Architecture) -> Architecture:
    """Make an architecture known.

    Raises:
        ValueError: Its model type is known already.
    """
    if architecture.model_type in REGISTRY:
        raise ValueError(f"an architecture {architecture.model_type!r} is registered already")
    REGISTRY[architecture.model_type] = architecture
    return architecture


def all_architectures() -> dict[str, Architecture]:
    """Model type → architecture, those of plugins too."""
    plugins.load()
    return dict(REGISTRY)
