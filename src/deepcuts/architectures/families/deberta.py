"""DeBERTa and its second version, in which positions have projections of their own."""

from __future__ import annotations

from deepcuts.architectures.families.registry import Architecture, Kind, register_architecture

_ENCODER = frozenset({"encoder", "pooler"})
_REST: dict[str, Kind] = {
    "attention.output.dense": "attention output",
    "intermediate.dense": "feed-forward in",
    "output.dense": "feed-forward out",
    "pooler.dense": "pooler",
}

register_architecture(
    Architecture(
        "deberta",
        _ENCODER,
        {
            "attention.self.in_proj": "attention query, key and value",
            "attention.self.pos_q_proj": "attention query",
            "attention.self.pos_proj": "attention key",
            **_REST,
        },
        joined="by head",
        feed_forward={"DebertaIntermediate": ("dense", "intermediate_act_fn")},
    )
)
register_architecture(
    Architecture(
        "deberta-v2",
        _ENCODER,
        {
            "attention.self.query_proj": "attention query",
            "attention.self.key_proj": "attention key",
            "attention.self.value_proj": "attention value",
            "attention.self.pos_query_proj": "attention query",
            "attention.self.pos_key_proj": "attention key",
            **_REST,
        },
        feed_forward={"DebertaV2Intermediate": ("dense", "intermediate_act_fn")},
    )
)
