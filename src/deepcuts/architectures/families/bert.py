"""BERT, and what is built like it: roberta, xlm-roberta, camembert, electra; mpnet but for its attention."""

from __future__ import annotations

from deepcuts.architectures.families.registry import Architecture, Kind, register_architecture

_FEED_FORWARD: dict[str, Kind] = {
    "intermediate.dense": "feed-forward in",
    "output.dense": "feed-forward out",
    "pooler.dense": "pooler",
}
_PARTS: dict[str, Kind] = {
    "attention.self.query": "attention query",
    "attention.self.key": "attention key",
    "attention.self.value": "attention value",
    "attention.output.dense": "attention output",
    **_FEED_FORWARD,
}
_ENCODER = frozenset({"encoder", "pooler"})
_LINEAR_AND_FUNCTION = ("dense", "intermediate_act_fn")

for _model_type, _prefix in {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
    "electra": "Electra",
}.items():
    _module = _model_type.replace("-", "_")
    register_architecture(
        Architecture(
            _model_type,
            _ENCODER,
            _PARTS,
            feed_forward={f"{_prefix}Intermediate": _LINEAR_AND_FUNCTION},
            whole_layer=(f"{_prefix}Layer", f"transformers.models.{_module}.modeling_{_module}"),
        )
    )

register_architecture(
    Architecture(
        "mpnet",
        _ENCODER,
        {
            "attention.attn.q": "attention query",
            "attention.attn.k": "attention key",
            "attention.attn.v": "attention value",
            "attention.attn.o": "attention output",
            **_FEED_FORWARD,
        },
        feed_forward={"MPNetIntermediate": _LINEAR_AND_FUNCTION},
    )
)
