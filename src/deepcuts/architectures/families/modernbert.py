"""ModernBERT: query, key and value in one matrix, and so the two halves of the gated feed-forward part."""

from __future__ import annotations

from deepcuts.architectures.families.registry import Architecture, register_architecture

register_architecture(
    Architecture(
        "modernbert",
        frozenset({"layers"}),
        {
            "attn.Wqkv": "attention query, key and value",
            "attn.Wo": "attention output",
            "mlp.Wi": "feed-forward in",
            "mlp.Wo": "feed-forward out",
        },
        layers="layers",
        joined="stacked",
    )
)
