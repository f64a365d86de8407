from __future__ import annotations

import pytest
from models import tiny

from deepcuts import prunable_parameters
from deepcuts.report.analysis import Place, place_of

ALBERT_PROJECTION = "albert.encoder.embedding_hidden_mapping_in.weight"
EXPECTED = {
    "attention query": 1, "attention key": 1, "attention value": 1, "attention output": 1,
    "feed-forward in": 1, "feed-forward out": 1,
}  # fmt: skip
FUSED = {name: 1 for name in EXPECTED if name not in ("attention query", "attention key", "attention value")}
FUSED["attention query, key and value"] = 1


@pytest.mark.parametrize(
    ("model_type", "kinds", "layers", "poolers"),
    [
        ("bert", EXPECTED, 2, 1),
        ("roberta", EXPECTED, 2, 0),
        ("electra", EXPECTED, 2, 0),
        ("distilbert", EXPECTED, 2, 0),
        ("mpnet", EXPECTED, 2, 0),
        ("albert", EXPECTED, 1, 1),
        ("deberta-v2", EXPECTED, 2, 1),
        ("modernbert", FUSED, 2, 0),
    ],
)
def test_every_weight_has_its_kind_in_every_architecture(
    model_type: str, kinds: dict[str, int], layers: int, poolers: int
) -> None:
    names = [name for name in prunable_parameters(tiny(model_type)) if name.endswith(".weight")]
    places = [place_of(name) for name in names]
    for kind, count in kinds.items():
        assert sum(place.kind == kind for place in places) == count * layers, (kind, names)
    assert sum(place.kind == "pooler" for place in places) == poolers
    others = [name for name, place in zip(names, places, strict=True) if place.kind == "other"]
    assert others == ([ALBERT_PROJECTION] if model_type == "albert" else [])
    assert {place.layer for place in places if place.block in ("attention", "feed-forward")} == set(
        range(layers)
    )


def test_biases_and_what_the_name_does_not_say() -> None:
    assert place_of("bert.encoder.layer.11.attention.self.key.bias") == Place(11, "attention key", True)
    assert place_of("net.3.weight") == Place(None, "other", False)
    assert place_of("weight") == Place(None, "other", False)
