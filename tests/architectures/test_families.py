"""The table says what the models are: every path, class and order of rows, looked up in real ones."""

from __future__ import annotations

import importlib

import pytest
import torch
from models import tiny, tiny_batches
from torch import nn

from deepcuts import prunable_parameters
from deepcuts.architectures.families import REGISTRY, Architecture, register_architecture
from deepcuts.architectures.places import place_of
from deepcuts.deploy.runtime.conversion import fused_activations

EVERY = pytest.mark.parametrize("model_type", REGISTRY)


@EVERY
def test_every_part_is_a_linear_layer_of_the_model(model_type: str) -> None:
    architecture = REGISTRY[model_type]
    more = {"share_att_key": False} if model_type == "deberta-v2" else {}
    modules = {f".{name}": module for name, module in tiny(model_type, **more).named_modules()}
    poolerless = "pooler" not in " ".join(modules)
    for path, kind in architecture.parts.items():
        if kind == "pooler" and poolerless:
            continue
        found = [module for name, module in modules.items() if name.endswith(f".{path}")]
        assert found, path
        assert all(isinstance(module, nn.Linear) for module in found), path


@EVERY
def test_classes_that_the_runtime_knows_exist(model_type: str) -> None:
    architecture = REGISTRY[model_type]
    model = tiny(model_type)
    classes = {type(module).__name__: module for module in model.modules()}
    for name, children in architecture.feed_forward.items():
        assert all(isinstance(getattr(classes[name], child), nn.Module) for child in children)
    assert len(fused_activations(model)) == (2 if architecture.feed_forward else 0)
    if architecture.whole_layer is not None:
        name, module = architecture.whole_layer
        assert type(classes[name]) is getattr(importlib.import_module(module), name)


def head_output(model_type: str, cut: list[int]) -> torch.Tensor:
    """What the first layer's attention hands to its output, the given rows of its joined matrix being 0."""
    model = tiny(model_type)
    (path,) = (path for path, kind in REGISTRY[model_type].parts.items() if "query, key" in kind)
    joined = next(module for name, module in model.named_modules() if name.endswith(f".{path}"))
    with torch.no_grad():
        joined.weight[cut] = 0
        for name, parameter in model.named_parameters():
            if name.endswith("v_bias"):  # DeBERTa adds it to the values
                parameter.zero_()
    (out,) = (path for path, kind in REGISTRY[model_type].parts.items() if kind == "attention output")
    output = next(module for name, module in model.named_modules() if name.endswith(f".{out}"))
    seen = []
    handle = output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    (batch,) = tiny_batches(model, 1)
    with torch.no_grad():
        model(**batch)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("model_type", [name for name, one in REGISTRY.items() if one.joined])
def test_rows_of_a_joined_matrix_lie_as_the_table_says(model_type: str) -> None:
    """Without the rows of one head's values, this head's columns of what attention gives are 0."""
    config = tiny(model_type).config
    heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    for head in range(heads):
        if REGISTRY[model_type].joined == "stacked":
            start = 2 * config.hidden_size + head * size
        else:
            start = 3 * head * size + 2 * size
        found = head_output(model_type, list(range(start, start + size)))
        zero = [bool((found[..., at * size : (at + 1) * size].abs() < 1e-7).all()) for at in range(heads)]
        assert zero == [at == head for at in range(heads)]


def test_an_architecture_of_ones_own_is_known_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepcuts.architectures.families.registry.REGISTRY", dict(REGISTRY))

    class Config:
        model_type = "toy"

    class Toy(nn.Module):
        config = Config()

        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.ModuleDict({"mix": nn.Linear(4, 4)})])
            self.head = nn.Linear(4, 2)

    register_architecture(
        Architecture("toy", frozenset({"blocks"}), {"mix": "feed-forward in"}, layers="blocks")
    )
    assert list(prunable_parameters(Toy())) == ["blocks.0.mix.weight", "blocks.0.mix.bias"]
    place = place_of("blocks.0.mix.bias")
    assert (place.layer, place.kind, place.is_bias) == (0, "feed-forward in", True)
    with pytest.raises(ValueError, match="registered already"):
        register_architecture(REGISTRY["bert"])
