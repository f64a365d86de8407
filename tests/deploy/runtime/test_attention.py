from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import tiny, tiny_batches
from torch import Tensor, nn
from transformers import AttentionInterface

from deepcuts.deploy.runtime import attention, kernel, sparsify


def tensors(
    batch: int, heads: int, queries: int, keys: int, features: int, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values as a model has them: heads side by side in each token."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (queries, keys, keys)
    query, key, value = (
        torch.randn(batch, size, heads, features, generator=generator).transpose(1, 2) for size in sizes
    )
    return query, key, value


def expected(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, scale: float) -> Tensor:
    """In double precision, step by step; a query that sees nothing gives 0."""
    scores = query.double() @ key.double().transpose(2, 3) * scale
    if allowed is not None:
        scores = scores.masked_fill(~allowed[:, None], -torch.inf)
    return (torch.nan_to_num(scores.softmax(-1)) @ value.double()).transpose(1, 2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(1, 3),
    heads=st.integers(1, 4),
    queries=st.integers(1, 40),
    keys=st.integers(1, 140),
    features=st.sampled_from([16, 32, 48, 64, 80]),
    masked=st.sampled_from(["no", "tokens", "pairs"]),
    seed=st.integers(0, 100),
)
def test_every_kernel_computes_attention(
    kernels: dict[str, kernel.Kernel],
    batch: int,
    heads: int,
    queries: int,
    keys: int,
    features: int,
    masked: str,
    seed: int,
) -> None:
    query, key, value = tensors(batch, heads, queries, keys, features, seed)
    generator = torch.Generator().manual_seed(seed)
    allowed = None
    if masked == "tokens":
        allowed = (torch.rand(batch, 1, keys, generator=generator) < 0.6).expand(batch, queries, keys)
    if masked == "pairs":
        allowed = torch.rand(batch, queries, keys, generator=generator) < 0.6
    scale = 1.3 * features**-0.5
    reference = expected(query, key, value, allowed, scale)
    for run in kernels.values():
        found = run.attend(query, key, value, allowed, scale, "float32")
        torch.testing.assert_close(found.double(), reference, rtol=1e-5, atol=5e-6)
        rounded = run.attend(query, key, value, allowed, scale, "bfloat16")
        torch.testing.assert_close(rounded.double(), reference, rtol=0, atol=0.1)


def test_large_and_equal_scores_and_no_key_at_all(kernels: dict[str, kernel.Kernel]) -> None:
    query, key, value = tensors(1, 2, 5, 7, 16)
    nothing = torch.zeros(1, 5, 7, dtype=torch.bool)
    for run in kernels.values():
        found = run.attend(query * 1e3, key * 1e3, value, None, 1.0, "float32")
        torch.testing.assert_close(
            found.double(), expected(query * 1e3, key * 1e3, value, None, 1.0), rtol=1e-4, atol=1e-5
        )
        even = run.attend(query * 0, key, value, None, 1.0, "float32")
        torch.testing.assert_close(even[:, 0], value.mean(2), rtol=1e-5, atol=1e-6)
        assert run.attend(query, key, value, nothing, 1.0, "float32").eq(0).all()
        assert run.attend(query, key[:, :, :0], value[:, :, :0], None, 1.0, "float32").eq(0).all()
        assert run.attend(query[:, :, :0], key, value, None, 1.0, "float32").shape == (1, 0, 2, 16)


def test_in_half_precision_products_are_rounded_where_the_processor_has_them(
    kernels: dict[str, kernel.Kernel],
) -> None:
    query, key, value = tensors(1, 2, 9, 30, 32)
    for name, run in kernels.items():
        single = run.attend(query, key, value, None, 0.2, "float32")
        half = run.attend(query, key, value, None, 0.2, "bfloat16")
        assert half.equal(single) == (name != "avx512bf16")


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by each call of the kernel's attention."""
    calls: list[int] = []
    original = kernel.Kernel.attend

    def counted(self: kernel.Kernel, *arguments: Any) -> Tensor:
        calls.append(1)
        return original(self, *arguments)

    monkeypatch.setattr(kernel.Kernel, "attend", counted)
    return calls


def masks() -> dict[str, Tensor]:
    seen = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    return {
        "additive": torch.zeros(2, 1, 5, 5),
        "by head": seen.expand(2, 3, 5, 5),
        "broadcast": seen[:, :, :1],
    }


@pytest.mark.parametrize(
    "what", ["additive", "by head", "broadcast", "causal", "gradients", "double", "features"]
)
def test_what_the_kernel_does_not_know_goes_to_pytorch(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch)
    query, key, value = tensors(2, 3, 5, 5, 20 if what == "features" else 16)
    module = nn.Module()
    module.is_causal = what == "causal"  # type: ignore[assignment]
    if what == "double":
        query, key, value = query.double(), key.double(), value.double()
    query.requires_grad_(what == "gradients")
    mask = masks().get(what)
    found, weights = attention.attend(module, query, key, value, mask, 0.3, precision="float32", dropout=0.0)
    reference = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.3, is_causal=what == "causal"
    )
    torch.testing.assert_close(found, reference.transpose(1, 2))
    assert weights is None
    assert not calls
    assert found.requires_grad == (what == "gradients")


def test_what_the_kernel_knows_goes_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch)
    query, key, value = tensors(2, 3, 5, 5, 16)
    module = nn.Module()
    module.is_causal = False  # type: ignore[assignment]
    mask = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0)) < 0.7
    for allowed in (None, mask):
        found, _ = attention.attend(module, query, key, value, allowed, precision="float32")
        reference = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        torch.testing.assert_close(found, torch.nan_to_num(reference.transpose(1, 2)))
    assert len(calls) == 2


def pruned(model_type: str, **changes: Any) -> Any:
    model = tiny(model_type, **changes)
    for module in model.modules():
        if type(module) is nn.Linear:
            module.weight.data *= torch.rand(module.weight.shape) < 0.5
    return model


def test_a_model_is_switched_and_the_original_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model = pruned("distilbert", dim=32, hidden_size=32, n_heads=2, num_attention_heads=2)
    (batch,) = tiny_batches(model, 1)
    calls = count_calls(monkeypatch)
    sparse = sparsify(model, dense_above=1.0)
    assert sparse.config._attn_implementation == "deepcuts_float32"
    assert model.config._attn_implementation == "sdpa"
    with torch.inference_mode():
        sparse(**batch)
    assert len(calls) == model.config.num_hidden_layers


def test_another_attention_than_the_default_is_left_alone() -> None:
    model = pruned("bert", hidden_size=32)
    model.set_attn_implementation("eager")
    assert sparsify(model, dense_above=1.0).config._attn_implementation == "eager"


def test_without_a_kernel_attention_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "chosen", lambda: None)
    assert sparsify(pruned("bert", hidden_size=32), dense_above=1.0).config._attn_implementation == "sdpa"


@pytest.mark.parametrize("faster", [True, False])
def test_unless_told_otherwise_the_faster_one_is_taken(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_is_faster", lambda *_: faster)
    monkeypatch.setattr("deepcuts.deploy.runtime.choices.break_even", lambda *_: 1.0)
    switched = sparsify(pruned("bert", hidden_size=32)).config._attn_implementation != "sdpa"
    assert switched == faster


def test_which_is_faster_is_measured(
    kernels: dict[str, kernel.Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = next(iter(kernels.values()))
    monkeypatch.setattr(attention, "recall", lambda question, measure: measure())

    def fastest(contenders: dict[str, Callable[[], torch.Tensor]]) -> dict[str, float]:
        dense, own = (contenders[name]() for name in ("PyTorch", "kernel"))
        torch.testing.assert_close(own.transpose(1, 2), dense, rtol=1e-4, atol=1e-5)
        return seconds

    monkeypatch.setattr(attention, "fastest", fastest)
    seconds = {"PyTorch": 1.0, "kernel": 2.0}
    assert not attention._is_faster(2, 16, "float32", run)
    seconds = {"PyTorch": 2.0, "kernel": 1.0}
    assert attention._is_faster(2, 16, "float32", run)


def test_transformers_knows_both_precisions() -> None:
    attention.register()
    for precision in kernel.PRECISIONS:
        assert f"deepcuts_{precision}" in AttentionInterface().valid_keys()
