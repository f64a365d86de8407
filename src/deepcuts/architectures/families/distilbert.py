"""DistilBERT."""

from __future__ import annotations

from deepcuts.architectures.families.registry import Architecture, register_architecture

register_architecture(
    Architecture(
        "distilbert",
        frozenset({"transformer"}),
        {
            "attention.q_lin": "attention query",
            "attention.k_lin": "attention key",
            "attention.v_lin": "attention value",
            "attention.out_lin": "attention output",
            "ffn.lin1": "feed-forward in",
            "ffn.lin2": "feed-forward out",
        },
    )
)
