from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from deepcuts.common.errors import DeepcutsError, InputError
from deepcuts.deploy.runtime.sparse_linear import SparseLinear
from deepcuts.masks.masks import Masks

EACH_KERNEL = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pruned(
    out_features: int, in_features: int, density: float, *, bias: bool = True, seed: int = 0
) -> nn.Linear:
    """A linear layer with random weights, some of them 0."""
    generator = torch.Generator().manual_seed(seed)
    linear = nn.Linear(in_features, out_features, bias=bias)
    weight = torch.randn(out_features, in_features, generator=generator)
    keep = torch.rand(out_features, in_features, generator=generator) < density
    linear.weight.data = weight * keep
    if bias:
        linear.bias.data = torch.randn(out_features, generator=generator)
    return linear.requires_grad_(False)


def exactly(linear: nn.Linear, inputs: Tensor) -> Tensor:
    """The outputs in double precision."""
    bias = None if linear.bias is None else linear.bias.double()
    return F.linear(inputs.double(), linear.weight.double(), bias)


def assert_close(found: Tensor, exact: Tensor, relative: float = 1e-5) -> None:
    assert found.shape == exact.shape
    scale = max(float(exact.abs().max()), 1e-30) if exact.numel() else 1.0
    assert float((found.double() - exact).abs().max() if exact.numel() else 0) <= relative * scale


@EACH_KERNEL
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 150)),
    density=st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6, 0.95, 1.0]),
    lead=st.lists(st.integers(0, 9), max_size=2),
    last=st.integers(1, 40),
    bias=st.booleans(),
    seed=st.integers(0, 2**31),
    threads=st.integers(1, 4),
)
def test_outputs_equal_the_dense_layers(
    run: str, shape: Any, density: float, lead: list[int], last: int, bias: bool, seed: int, threads: int
) -> None:
    linear = pruned(*shape, density, bias=bias, seed=seed)
    inputs = torch.randn(*lead, last, shape[1], generator=torch.Generator().manual_seed(seed))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = SparseLinear.from_linear(linear)(inputs)
    finally:
        torch.set_num_threads(before)
    assert_close(found, exactly(linear, inputs))


@EACH_KERNEL
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 100)),
    density=st.sampled_from([0.0, 0.05, 0.4, 1.0]),
    tokens=st.integers(0, 140),
    seed=st.integers(0, 2**31),
)
def test_in_half_precision_only_weights_and_inputs_are_rounded(
    run: str, shape: Any, density: float, tokens: int, seed: int
) -> None:
    linear = pruned(*shape, density, seed=seed)
    inputs = torch.randn(tokens, shape[1], generator=torch.Generator().manual_seed(seed))
    found = SparseLinear.from_linear(linear, precision="bfloat16")(inputs)
    rounded = copy.deepcopy(linear)
    rounded.weight.data = linear.weight.bfloat16().float()
    assert_close(found, exactly(rounded, inputs.bfloat16().float()))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gelu_is_the_exact_one(run: str, precision: Any) -> None:
    # One weight of 1 an output, so that the function is seen alone, far into its tails.
    linear = nn.Linear(1, 5, bias=False).requires_grad_(False)
    linear.weight.data = torch.tensor([[1.0], [0.0], [0.5], [2.0], [-1.0]])
    inputs = torch.cat([torch.linspace(-14, 14, 4001), torch.tensor([0.0, 1e-30, 1e4, -1e4])])
    inputs = inputs.bfloat16().float()[:, None]
    found = SparseLinear.from_linear(linear, precision=precision, activation="gelu")(inputs)
    exact = F.gelu(exactly(linear, inputs))
    error = 1.2e-6 if precision == "float32" or run == "csr" else 3e-4
    assert ((found.double() - exact).abs() <= error * exact.abs().clamp(min=1)).all()


def test_non_contiguous_and_expanded_inputs(run: str) -> None:
    linear = pruned(11, 20, 0.3)
    layer = SparseLinear.from_linear(linear)
    base = torch.randn(20, 9, 6)
    one = torch.randn(20)
    views = [
        base.permute(1, 2, 0),
        base.permute(2, 1, 0)[::2],
        one.expand(5, 20),
        torch.randn(7, 41)[:, 3:23],
        one,
    ]
    views.append(torch.randn(4, 40)[:, ::2])
    for inputs in views:
        assert_close(layer(inputs), exactly(linear, inputs))


@pytest.mark.parametrize("shape", [(0, 20), (3, 0, 20), (0, 0, 20)])
def test_no_tokens(run: str, shape: tuple[int, ...]) -> None:
    layer = SparseLinear.from_linear(pruned(11, 20, 0.3))
    assert layer(torch.zeros(shape)).shape == (*shape[:-1], 11)


def test_a_pruned_weight_is_absent_even_for_inputs_that_are_not_finite(run: str) -> None:
    linear = nn.Linear(3, 2, bias=False).requires_grad_(False)
    linear.weight.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    for precision in ("float32", "bfloat16"):
        layer = SparseLinear.from_linear(linear, precision=precision)
        found = layer(torch.tensor([[1.0, torch.nan, torch.inf], [torch.nan, 1.0, 1.0]]))
        assert found[0].tolist() == [1.0, torch.inf]
        assert found[1, 0].isnan()
        assert found[1, 1] == 2.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_outputs_have_the_type_of_the_inputs(run: str, dtype: torch.dtype) -> None:
    linear = pruned(11, 20, 0.3)
    inputs = torch.randn(5, 20).to(dtype)
    found = SparseLinear.from_linear(linear)(inputs)
    assert found.dtype is dtype
    assert_close(found, exactly(linear, inputs), 1e-2 if dtype != torch.float64 else 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_from_parts_takes_what_a_mask_file_holds(run: str, dtype: torch.dtype) -> None:
    linear = pruned(13, 21, 0.4)
    linear.weight.data = linear.weight.to(dtype).float()
    mask = linear.weight != 0
    bits = Masks({"w": mask}).to_bits()["w"].bits
    bits.flags.writeable = False  # as in a file that is mapped into memory
    values = linear.weight[mask].to(dtype)
    layer = SparseLinear.from_parts(bits, values, (13, 21), linear.bias)
    inputs = torch.randn(6, 21)
    assert_close(layer(inputs), exactly(linear, inputs))
    assert torch.equal(layer.weight.float(), linear.weight)
    assert layer.density == pytest.approx(float(mask.float().mean()))


def test_a_mask_bit_may_keep_a_value_of_zero(run: str) -> None:
    layer = SparseLinear.from_parts(np.array([0b11000000], np.uint8), torch.tensor([0.0, 3.0]), (1, 3))
    assert layer(torch.ones(1, 3)).item() == 3.0


BITS = torch.tensor([0b10100000], dtype=torch.uint8)
VALUES = torch.ones(2)


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((BITS, VALUES, (0, 3)), {}, "shape"),
        ((BITS, VALUES, (1, 65_536)), {}, "shape"),
        ((BITS, VALUES, (3,)), {}, "shape"),
        ((BITS.int(), VALUES, (1, 3)), {}, "mask_bits"),
        ((BITS, VALUES, (3, 3)), {}, "mask_bits"),
        ((BITS | 1, torch.ones(3), (1, 3)), {}, "mask_bits"),
        ((BITS, torch.ones(3), (1, 3)), {}, "values"),
        ((BITS, VALUES.double(), (1, 3)), {}, "values"),
        ((BITS, VALUES, (1, 3), torch.ones(2)), {}, "bias"),
        ((BITS, VALUES, (1, 3)), {"precision": "int8"}, "precision"),
        ((BITS, VALUES, (1, 3)), {"activation": "relu"}, "activation"),
    ],
)
def test_parts_that_do_not_fit_are_named(arguments: Any, options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=f"^{named}: got"):
        SparseLinear.from_parts(*arguments, **options)


@pytest.mark.parametrize(
    "inputs", [torch.ones(4, 2), torch.tensor(1.0), torch.ones(4, 3).int(), torch.ones(4, 3, device="meta")]
)
def test_inputs_that_do_not_fit_are_named(inputs: Tensor) -> None:
    with pytest.raises(InputError, match=r"^inputs: got"):
        SparseLinear.from_parts(BITS, VALUES, (1, 3))(inputs)


def test_gradients_are_refused_clearly() -> None:
    layer = SparseLinear.from_linear(pruned(4, 6, 0.5))
    inputs = torch.ones(2, 6, requires_grad=True)
    with pytest.raises(DeepcutsError, match="no gradients"):
        layer(inputs)
    with torch.no_grad():
        assert not layer(inputs).requires_grad
    with torch.inference_mode():
        assert layer(inputs).is_inference()
    assert not list(layer.parameters())


def test_a_layer_made_in_inference_mode_works_outside_and_the_other_way_round(run: str) -> None:
    linear = pruned(9, 12, 0.5)
    inputs = torch.randn(3, 12)
    with torch.inference_mode():
        inside = SparseLinear.from_linear(linear)
        inside(inputs)
    outside = SparseLinear.from_linear(linear)
    outside(inputs)
    with torch.inference_mode():
        first = outside(inputs)
    assert torch.equal(inside(inputs), first)


def test_copies_pickles_and_state_dicts_carry_the_layer(run: str) -> None:
    linear, other = pruned(9, 12, 0.5), pruned(9, 12, 0.5, seed=1)
    layer = SparseLinear.from_linear(linear, activation="gelu")
    inputs = torch.randn(3, 12)
    before = layer(inputs)
    assert torch.equal(copy.deepcopy(layer)(inputs), before)
    assert torch.equal(pickle.loads(pickle.dumps(layer))(inputs), before)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(inputs), before)

    other.weight.data = torch.where(linear.weight != 0, torch.randn(9, 12), 0.0)  # of the same number
    another = SparseLinear.from_linear(other, activation="gelu")
    layer.load_state_dict(another.state_dict())
    assert torch.equal(layer(inputs), another(inputs))
    assert not torch.equal(layer(inputs), before)


def test_after_a_change_of_type_the_new_values_count(run: str) -> None:
    linear = pruned(9, 12, 0.5)
    layer = SparseLinear.from_linear(linear)
    inputs = torch.randn(3, 12)
    layer(inputs)
    layer.to(torch.float16)
    linear.weight.data, linear.bias.data = linear.weight.half().float(), linear.bias.half().float()
    assert_close(layer(inputs), exactly(linear, inputs))
