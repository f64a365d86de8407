"""Where a parameter stands in an encoder: which layer, which kind, read off its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Kind → names of modules, as the known architectures spell them; the first that matches counts.
_KINDS = {
    "pooler": r"\.pooler(\.|$)",
    "attention query, key and value": r"\.(in_proj|Wqkv)$",
    "attention query": r"\.(query|query_proj|pos_q_proj|pos_query_proj|q_lin|q)$",
    "attention key": r"\.(key|key_proj|pos_proj|pos_key_proj|k_lin|k)$",
    "attention value": r"\.(value|value_proj|v_lin|v)$",
    "attention output": r"\.(attention\.output\.dense|attention\.dense|out_lin|attn\.o|attn\.Wo)$",
    "feed-forward in": r"\.(intermediate\.dense|ffn\.lin1|ffn|mlp\.Wi)$",
    "feed-forward out": r"\.(output\.dense|ffn\.lin2|ffn_output|mlp\.Wo)$",
}
_LAYER = re.compile(r"\.(?:layer|layers|albert_layers)\.(\d+)\.")


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
    kind = next((kind for kind, pattern in _KINDS.items() if re.search(pattern, f".{module}")), "other")
    layer = _LAYER.search(f".{name}")
    return Place(int(layer.group(1)) if layer else None, kind, parameter == "bias")
