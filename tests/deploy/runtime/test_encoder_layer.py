from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from models import tiny, tiny_batches
from torch import Tensor, nn

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.deploy.runtime import encoder_layer, kernel, sparsify

KNOWN = ["bert", "camembert", "electra", "roberta", "xlm-roberta"]
#: Heads of 16 features, the fewest that the kernel takes.
SIZES: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2}


def pruned(model_type: str = "bert", *, density: float = 0.4, **changes: Any) -> Any:
    """A tiny model, cut at random."""
    model = tiny(model_type, **{**SIZES, **changes})
    generator = torch.Generator().manual_seed(0)
    for parameter in prunable_parameters(model).values():
        if parameter.dim() == 2:
            parameter.data.mul_(torch.rand(parameter.shape, generator=generator) < density)
    return model


def inputs(model: Any) -> dict[str, Tensor]:
    (batch,) = tiny_batches(model, 1)
    return {name: value for name, value in batch.items() if name != "labels"}


def layers(model: nn.Module) -> list[Any]:
    return [one for one in model.modules() if isinstance(one, encoder_layer._KernelForward)]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by each layer that is run as a whole."""
    found: list[int] = []
    original = encoder_layer._forward

    def counted(*arguments: Any) -> Tensor:
        found.append(1)
        return original(*arguments)

    monkeypatch.setattr(encoder_layer, "_forward", counted)
    return found


@pytest.mark.parametrize("precision", kernel.PRECISIONS)
@pytest.mark.parametrize("model_type", KNOWN)
def test_layers_run_as_a_whole_and_give_the_same(
    model_type: str, precision: kernel.Precision, calls: list[int]
) -> None:
    model = pruned(model_type)
    sparse = sparsify(model, dense_above=1.0, precision=precision)
    assert len(layers(sparse)) == model.config.num_hidden_layers
    assert not layers(model)
    tolerance = {"atol": 1e-5, "rtol": 1e-5} if precision == "float32" else {"atol": 0.03, "rtol": 0.03}
    batch = inputs(model)
    for given in (batch, {"input_ids": batch["input_ids"][:1, :1]}, {"input_ids": batch["input_ids"]}):
        with torch.inference_mode():
            torch.testing.assert_close(sparse(**given).logits, model(**given).logits, **tolerance)
    assert len(calls) == 3 * model.config.num_hidden_layers


def test_hidden_states_are_recorded() -> None:
    model = pruned()
    sparse = sparsify(model, dense_above=1.0)
    batch = inputs(model)
    with torch.inference_mode():
        expected = model(**batch, output_hidden_states=True).hidden_states
        found = sparse(**batch, output_hidden_states=True).hidden_states
    assert len(found) == 3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_layers_that_stay_dense_are_called_in_their_place(calls: list[int]) -> None:
    model = pruned(density=0.3)
    layer = model.bert.encoder.layer[0]
    for linear in (layer.attention.self.key, layer.output.dense):
        linear.weight.data.normal_(generator=torch.Generator().manual_seed(1))
    sparse = sparsify(model, dense_above=0.9)
    assert type(layers(sparse)[0].attention.self.key) is nn.Linear
    batch = inputs(model)
    with torch.inference_mode():
        torch.testing.assert_close(sparse(**batch).logits, model(**batch).logits, rtol=1e-5, atol=1e-5)
    assert len(calls) == 2


@pytest.mark.parametrize("kind", ["slice", "transposed", "expanded"])
def test_hidden_states_may_lie_anyhow_in_memory(kind: str, calls: list[int]) -> None:
    layer = layers(sparsify(pruned(), dense_above=1.0))[0]
    given = torch.randn(3, 5, 40, generator=torch.Generator().manual_seed(0))
    hidden = {
        "slice": given[..., 4:36],
        "transposed": given.permute(2, 1, 0).reshape(40, 5, 3)[:32].permute(2, 1, 0),
        "expanded": given[:1, :, :32].expand(3, 5, 32),
    }[kind]
    with torch.inference_mode():
        found = layer(hidden)
        expected = layer(hidden.clone(memory_format=torch.contiguous_format))
    assert found.equal(expected)
    assert len(calls) == 2


def test_modules_parameters_and_buffers_keep_their_names() -> None:
    model = pruned()
    sparse = sparsify(model, dense_above=1.0)
    names = {name for name, _ in model.named_modules()}
    assert names == {name for name, _ in sparse.named_modules()}
    again = sparsify(model, dense_above=1.0)
    again.load_state_dict(sparse.state_dict())


@pytest.mark.parametrize("where", ["attention.self.query", "attention.output.LayerNorm", "output"])
def test_hooks_on_a_layers_modules_are_called(where: str, calls: list[int]) -> None:
    model = pruned()
    sparse = sparsify(model, dense_above=1.0)
    batch = inputs(model)
    seen: list[int] = []
    handle = (
        sparse.bert.encoder.layer[1].get_submodule(where).register_forward_hook(lambda *_: seen.append(1))
    )
    with torch.inference_mode():
        torch.testing.assert_close(sparse(**batch).logits, model(**batch).logits, rtol=1e-5, atol=1e-5)
        assert (len(seen), len(calls)) == (1, 1)
        handle.remove()
        sparse(**batch)
    assert (len(seen), len(calls)) == (1, 3)


def test_gradients_are_refused_as_elsewhere() -> None:
    model = sparsify(pruned(), dense_above=1.0)
    layer = layers(model)[0]
    with pytest.raises(Exception, match="has no gradients"):
        layer(torch.zeros(1, 3, 32, requires_grad=True))


@pytest.mark.parametrize(
    "changes", [{"hidden_act": "relu"}, {"num_attention_heads": 4}, {"is_decoder": True}], ids=str
)
def test_other_layers_are_left_alone(changes: dict[str, Any]) -> None:
    model = pruned(**changes)
    sparse = sparsify(model, dense_above=1.0)
    assert not layers(sparse)
    batch = inputs(model)
    with torch.inference_mode():
        torch.testing.assert_close(sparse(**batch).logits, model(**batch).logits, rtol=1e-5, atol=1e-5)


def test_copies_and_pickles_run_too(calls: list[int], tmp_path: Path) -> None:
    model = pruned()
    sparse = sparsify(model, dense_above=1.0)
    batch = inputs(model)
    with torch.inference_mode():
        expected = sparse(**batch).logits
        for made in (copy.deepcopy(sparse), pickle.loads(pickle.dumps(sparse))):
            assert made(**batch).logits.equal(expected)
    assert len(calls) == 6
    torch.save((sparse, batch, expected), tmp_path / "model.pt")
    # Another process has neither the classes nor the attention when it begins to read.
    code = (
        "import sys, torch\n"
        "model, batch, expected = torch.load(sys.argv[1], weights_only=False)\n"
        "with torch.inference_mode():\n"
        "    print(torch.allclose(model(**batch).logits, expected, atol=1e-6))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.pt")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n", done.stderr


def test_names_of_other_classes_are_not_found() -> None:
    assert encoder_layer.KernelBertLayer.__name__ == "KernelBertLayer"
    for name in ("KernelFishLayer", "BertLayer"):
        with pytest.raises(AttributeError, match=name):
            getattr(encoder_layer, name)


@pytest.mark.parametrize("shape", [(1, 1), (7, 32), (64, 48), (130, 5)])
def test_add_norm_is_the_layer_norm_of_the_sum(
    kernels: dict[str, kernel.Kernel], shape: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(shape, generator=generator) * 3 + 1, torch.randn(shape, generator=generator)
    weight, bias = torch.randn(shape[1], generator=generator), torch.randn(shape[1], generator=generator)
    expected = nn.functional.layer_norm((a + b).double(), shape[1:], weight.double(), bias.double(), 1e-5)
    for run in kernels.values():
        found = run.add_norm(a, b, weight, bias, 1e-5)
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_layers_together_and_in_a_chain_are_as_one_by_one(
    kernels: dict[str, kernel.Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.deploy.runtime import SparseLinear

    generator = torch.Generator().manual_seed(0)

    def layer(out_features: int, in_features: int, **options: Any) -> SparseLinear:
        linear = nn.Linear(in_features, out_features)
        linear.weight.data *= torch.rand(out_features, in_features, generator=generator) < 0.3
        return SparseLinear.from_linear(linear, **options)

    for run in kernels.values():
        monkeypatch.setattr(kernel, "chosen", lambda run=run: run)
        for precision in kernel.PRECISIONS:
            first = layer(70, 37, precision=precision, activation="gelu")
            others = [layer(rows, 37, precision=precision) for rows in (3, 33)]
            second = layer(11, 70, precision=precision)
            for tokens in (0, 1, 31, 70, 200):
                flat = torch.randn(tokens, 37, generator=generator)
                together = run.apply([one.for_kernel(run) for one in (first, *others)], flat)
                for one, found in zip((first, *others), together, strict=True):
                    assert found.equal(one.multiply(flat))
                (chained,) = run.apply([first.for_kernel(run), second.for_kernel(run)], flat, chained=True)
                torch.testing.assert_close(
                    chained, second.multiply(first.multiply(flat)), rtol=1e-5, atol=1e-5
                )
