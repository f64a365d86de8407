"""ALBERT: one layer that all share."""

from __future__ import annotations

from deepcuts.architectures.families.registry import Architecture, register_architecture

register_architecture(
    Architecture(
        "albert",
        frozenset({"encoder", "pooler"}),
        {
            "attention.query": "attention query",
            "attention.key": "attention key",
            "attention.value": "attention value",
            "attention.dense": "attention output",
            "ffn": "feed-forward in",
            "ffn_output": "feed-forward out",
            "pooler": "pooler",
        },
        layers="albert_layers",
    )
)
