from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from models import tiny, tiny_batches
from runs import rows, tiny_model_folder
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from deepcuts.architectures.parameters import ARCHITECTURES, prunable_parameters
from deepcuts.common.errors import InputError
from deepcuts.deploy.runtime import SparseLinear, choices, sparsify


def prune(model: Any, density: float, seed: int = 0) -> Any:
    """Cut weights of the encoder at random, biases left alone."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in prunable_parameters(model).values():
        if parameter.dim() == 2:
            parameter.data.mul_(torch.rand(parameter.shape, generator=generator) < density)
    return model


def outputs(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        return model(**{name: value for name, value in batch.items() if name != "labels"}).logits


def sparse_layers(model: nn.Module) -> dict[str, SparseLinear]:
    return {name: one for name, one in model.named_modules() if isinstance(one, SparseLinear)}


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_every_known_architecture_keeps_its_outputs(model_type: str) -> None:
    model = prune(tiny(model_type), 0.3)
    (batch,) = tiny_batches(model, 1)
    dense = outputs(model, batch)
    sparse = sparsify(model, dense_above=1.0)
    assert sparse_layers(sparse)
    torch.testing.assert_close(outputs(sparse, batch), dense, rtol=1e-4, atol=1e-5)
    rounded = sparsify(model, dense_above=1.0, precision="bfloat16")
    torch.testing.assert_close(outputs(rounded, batch), dense, rtol=0.1, atol=0.05)


def test_a_pipeline_gives_the_same_labels_and_scores(tmp_path: Path) -> None:
    folder = str(tiny_model_folder(tmp_path))
    model = prune(AutoModelForSequenceClassification.from_pretrained(folder), 0.3)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [row["text"] for row in rows(12, 3)]
    expected = pipeline("text-classification", model=model, tokenizer=tokenizer)(texts, batch_size=5)
    sparse = sparsify(model, dense_above=1.0)
    found = pipeline("text-classification", model=sparse, tokenizer=tokenizer)(texts, batch_size=5)
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], abs=1e-5)


def test_the_model_itself_stays_as_it_is() -> None:
    model = prune(tiny("bert"), 0.3).train()
    before = copy.deepcopy(model.state_dict())
    sparse = sparsify(model, dense_above=1.0)
    assert not sparse_layers(model)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not sparse.training
    assert not any(parameter.requires_grad for parameter in sparse.parameters())
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in sparse.state_dict().values())


def test_only_pruned_layers_below_the_limit_become_sparse() -> None:
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))
    for layer, kept in zip(model, [1.0, 0.5, 0.25], strict=True):
        layer.weight.data.fill_(1.0)[: int(8 * (1 - kept))] = 0.0
    assert set(sparse_layers(sparsify(model, dense_above=1.0))) == {"1", "2"}
    assert set(sparse_layers(sparsify(model, dense_above=0.5))) == {"1", "2"}
    assert set(sparse_layers(sparsify(model, dense_above=0.3))) == {"2"}
    assert not sparse_layers(sparsify(model, dense_above=0.0))


def test_without_a_limit_the_measured_one_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 16))
    for layer in model:
        layer.weight.data.fill_(1.0)[:, :4] = 0.0
    asked = []

    def measured(shape: tuple[int, int], precision: str, dense_type: torch.dtype) -> float:
        asked.append((shape, precision, dense_type))
        return {(8, 8): 0.4, (16, 8): 0.6}[shape]

    monkeypatch.setattr(choices, "break_even", measured)
    assert set(sparse_layers(sparsify(model, precision="bfloat16"))) == {"1"}
    assert asked == [((8, 8), "bfloat16", torch.float32), ((16, 8), "bfloat16", torch.float32)]


def test_a_layer_used_twice_stays_one() -> None:
    layer = nn.Linear(6, 6)
    layer.weight.data[:, ::2] = 0.0
    sparse = sparsify(nn.ModuleList([layer, nn.ModuleList([layer])]), dense_above=1.0)
    assert isinstance(sparse[0], SparseLinear)
    assert sparse[0] is sparse[1][0]


def test_a_model_that_is_one_layer() -> None:
    layer = nn.Linear(6, 6)
    layer.weight.data[:, ::2] = 0.0
    assert isinstance(sparsify(layer, dense_above=1.0), SparseLinear)


def test_gelu_is_fused_where_nothing_else_uses_it() -> None:
    model = prune(tiny("bert"), 0.3)
    names = [name for name, one in sparse_layers(sparsify(model, dense_above=1.0)).items() if one.activation]
    assert names == [f"bert.encoder.layer.{i}.intermediate.dense" for i in range(2)]

    shared = prune(tiny("bert"), 0.3)
    first, second = (layer.intermediate for layer in shared.bert.encoder.layer)
    second.intermediate_act_fn = first.intermediate_act_fn
    (batch,) = tiny_batches(shared, 1)
    sparse = sparsify(shared, dense_above=1.0)
    assert not any(one.activation for one in sparse_layers(sparse).values())
    torch.testing.assert_close(outputs(sparse, batch), outputs(shared, batch), rtol=1e-4, atol=1e-5)

    other = prune(tiny("bert", hidden_act="relu"), 0.3)
    sparse = sparsify(other, dense_above=1.0)
    assert not any(one.activation for one in sparse_layers(sparse).values())
    torch.testing.assert_close(outputs(sparse, batch), outputs(other, batch), rtol=1e-4, atol=1e-5)


def test_a_dense_layer_keeps_its_activation() -> None:
    model = prune(tiny("bert"), 0.3)
    for layer in model.bert.encoder.layer:
        layer.intermediate.dense.weight.data.fill_(0.1)[0, 0] = 0.0  # too dense for the limit below
    (batch,) = tiny_batches(model, 1)
    sparse = sparsify(model, dense_above=0.5)
    assert "bert.encoder.layer.0.intermediate.dense" not in sparse_layers(sparse)
    torch.testing.assert_close(outputs(sparse, batch), outputs(model, batch), rtol=1e-4, atol=1e-5)


def test_a_sparse_model_can_be_copied_pickled_and_compared() -> None:
    sparse = sparsify(prune(tiny("bert"), 0.3), dense_above=1.0)
    (batch,) = tiny_batches(sparse, 1)
    found = outputs(sparse, batch)
    assert torch.equal(outputs(copy.deepcopy(sparse), batch), found)
    assert torch.equal(outputs(pickle.loads(pickle.dumps(sparse)), batch), found)
    again = sparsify(prune(tiny("bert", seed=1), 0.3), dense_above=1.0)
    again.load_state_dict(sparse.state_dict())
    assert torch.equal(outputs(again, batch), found)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"precision": "float16"}, "precision"),
        ({"dense_above": 1.5}, "dense_above"),
        ({"dense_above": -1}, "dense_above"),
    ],
)
def test_options_that_are_not_allowed_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=f"^{named}: got"):
        sparsify(prune(tiny("bert"), 0.3), **options)


def test_a_model_without_zeros_or_elsewhere_is_refused() -> None:
    with pytest.raises(InputError, match="weights that are 0"):
        sparsify(tiny("bert"))
    with pytest.raises(InputError, match="must be on the CPU"):
        sparsify(nn.Linear(2, 2, device="meta"))
