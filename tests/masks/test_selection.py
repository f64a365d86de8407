from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from models import tiny
from torch import Tensor

from deepcuts import Budget, Scores, Strategy, score, select
from deepcuts.common.errors import InputError, ScoringError
from deepcuts.masks import highest as highest_file
from deepcuts.masks.highest import _kth_highest

SCOPES = pytest.mark.parametrize("scope", ["tensor", "global"])

# Few distinct values, so that most thresholds fall into a mass of equal scores; -0.0 equals 0.0.
FEW = st.sampled_from([0.0, -0.0, 1.0, 2.0, -3.0, 1e-30])
ANY = st.floats(-10, 10, width=32)
SHAPES = st.one_of(hnp.array_shapes(min_dims=1, max_dims=3, max_side=9), st.just(()))


def tensors(elements: st.SearchStrategy[float]) -> st.SearchStrategy[dict[str, Tensor]]:
    values = hnp.arrays(np.float32, SHAPES, elements=elements).map(torch.from_numpy)
    return st.lists(values, min_size=1, max_size=4).map(
        lambda found: {f"layer.{place}.weight": value for place, value in enumerate(found)}
    )


SCORES = st.one_of(tensors(FEW), tensors(ANY), tensors(st.just(0.0)))
DENSITIES = st.one_of(
    st.sampled_from([1.0, 0.5, 0.1, 0.9, 1e-9]),
    st.floats(0.01, 1.0),
    st.integers(1, 99).map(lambda n: n / 100),
)


def scores_of(values: Mapping[str, Tensor], strategy: str = "LayerMagGrad") -> Scores:
    return Scores(values, Strategy.parse(strategy))


def keeps_something(values: Mapping[str, Tensor], density: float) -> bool:
    return round(Fraction(str(density)) * sum(value.numel() for value in values.values())) >= 1


def best_of_numpy(values: np.ndarray, count: int) -> np.ndarray:
    """Mask of the `count` highest by a stable sort of (-score, position)."""
    mask = np.zeros(values.size, dtype=bool)
    mask[np.argsort(-values, kind="stable")[:count]] = True
    return mask


def joined(values: Mapping[str, Tensor]) -> np.ndarray:
    return np.concatenate([value.numpy().reshape(-1) for value in values.values()])


@given(SCORES, DENSITIES)
def test_global_scope_keeps_exactly_the_highest_ties_by_position(
    values: dict[str, Tensor], density: float
) -> None:
    if not keeps_something(values, density):
        with pytest.raises(InputError, match="at least one"):
            select(scores_of(values), Budget.from_density(density), "global")
        return
    before = joined(values).copy()
    masks = select(scores_of(values), Budget.from_density(density), "global")
    count = round(Fraction(str(density)) * before.size)
    assert masks.kept == count
    np.testing.assert_array_equal(joined(masks), best_of_numpy(before, count))
    np.testing.assert_array_equal(joined(values).view(np.int32), before.view(np.int32))
    assert {name: mask.shape for name, mask in masks.items()} == {n: v.shape for n, v in values.items()}


@given(SCORES, DENSITIES)
def test_tensor_scope_keeps_the_share_of_each_and_exactly_the_sum(
    values: dict[str, Tensor], density: float
) -> None:
    if not keeps_something(values, density):
        with pytest.raises(InputError, match="at least one"):
            select(scores_of(values), Budget.from_density(density), "tensor")
        return
    before = {name: value.clone() for name, value in values.items()}
    masks = select(scores_of(values), Budget.from_density(density), "tensor")
    exact = Fraction(str(density))
    assert masks.kept == round(exact * masks.total)
    for name, value in before.items():
        kept = int(masks[name].sum())
        assert abs(kept - exact * value.numel()) < 1
        expected = best_of_numpy(value.numpy().reshape(-1), kept)
        np.testing.assert_array_equal(masks[name].numpy().reshape(-1), expected)
        assert masks[name].shape == value.shape
        assert torch.equal(values[name], value)


@SCOPES
@given(values=SCORES, lower=DENSITIES, higher=DENSITIES)
def test_a_larger_density_keeps_a_superset_globally_and_no_fewer_in_a_tensor(
    scope: str, values: dict[str, Tensor], lower: float, higher: float
) -> None:
    lower, higher = sorted((lower, higher))
    if not keeps_something(values, lower):
        return
    few, many = (
        select(scores_of(values), Budget.from_density(density), scope) for density in (lower, higher)
    )
    for name in values:
        # In tensor scope, where one remainder is rounded up for another, a tensor may lose its rounding.
        slack = 0 if scope == "global" else 1
        assert int((few[name] & ~many[name]).sum()) <= slack
    assert few.kept <= many.kept


@SCOPES
@given(values=SCORES)
def test_density_one_keeps_everything(scope: str, values: dict[str, Tensor]) -> None:
    masks = select(scores_of(values), Budget.from_density(1.0), scope)
    assert all(mask.all() for mask in masks.values())
    assert masks.density == 1


@SCOPES
def test_all_equal_scores_are_cut_to_the_budget(scope: str) -> None:
    values = {"a": torch.zeros(10, 10), "b": torch.zeros(50)}
    masks = select(scores_of(values), Budget.from_density(0.5), scope)
    assert masks.kept == 75
    expected = {"a": 75, "b": 0} if scope == "global" else {"a": 50, "b": 25}
    assert masks.kept_by_tensor == expected
    assert masks["a"].flatten()[: expected["a"]].all()


@SCOPES
def test_does_not_read_or_write_what_others_share(scope: str) -> None:
    """Slices of one storage are no contiguous tensors of their own."""
    storage = torch.arange(24.0).reshape(4, 6)
    values = {"a": storage[:, :3].T, "b": storage[:, 3:]}  # neither contiguous
    masks = select(scores_of(values), Budget.from_density(0.5), scope)
    assert torch.equal(storage, torch.arange(24.0).reshape(4, 6))
    assert masks.kept == 12
    for name in values if scope == "tensor" else ():
        assert int(masks[name].sum()) == 6
        assert values[name][masks[name]].min() > values[name][~masks[name]].max()


def test_masks_of_global_scope_own_their_memory() -> None:
    values = {"a": torch.rand(4), "b": torch.rand(1000)}
    masks = select(scores_of(values), Budget.from_density(0.5), "global")
    assert masks["a"].untyped_storage().nbytes() == 4


@pytest.mark.parametrize(
    ("strategy", "of_budget", "argument", "expected"),
    [
        ("LayerMagGrad", None, None, "tensor"),
        ("GlobalMagGrad", None, None, "global"),
        ("GlobalMagGrad", "tensor", None, "tensor"),
        ("LayerMagGrad", "global", None, "global"),
        ("LayerMagGrad", "global", "tensor", "tensor"),
        ("GlobalMagGrad", "tensor", "global", "global"),
    ],
)
def test_scope_is_the_arguments_else_the_budgets_else_the_strategys(
    strategy: str, of_budget: str | None, argument: str | None, expected: str
) -> None:
    values = {"a": torch.arange(4.0), "b": torch.arange(4.0) + 10}
    masks = select(scores_of(values, strategy), Budget.from_density(0.5, of_budget), argument)
    assert masks.kept_by_tensor == ({"a": 2, "b": 2} if expected == "tensor" else {"a": 0, "b": 4})
    assert masks.provenance["budget"]["scope"] == expected


def test_provenance_holds_scores_and_budget() -> None:
    scores = score(tiny("bert"), [], ["GlobalMagWeight"])["GlobalMagWeight"]
    masks = select(scores, Budget.from_sparsity(0.75))
    assert masks.provenance == {
        "scores": scores.provenance,
        "budget": {
            "asked": "sparsity 0.75",
            "density": 0.25,
            "scope": "global",
            "kept": masks.kept,
            "prunable": masks.total,
        },
    }
    assert masks.total == sum(value.numel() for value in scores.values())
    assert masks.kept == round(masks.total / 4)


@SCOPES
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_score_that_is_not_finite_is_refused_with_its_tensor(scope: str, bad: float) -> None:
    values = {"fine": torch.zeros(3), "spoiled.weight": torch.tensor([1.0, bad, 2.0])}
    with pytest.raises(ScoringError, match=r"LayerMagGrad: the scores of 'spoiled\.weight'"):
        select(scores_of(values), Budget.from_density(1.0), scope)


def test_inverted_scores_keep_the_worst() -> None:
    scores = scores_of({"a": torch.tensor([3.0, 1.0, 2.0, 0.0])})
    inverted = scores.under(Strategy.parse("InvertedLayerMagGrad"))
    assert select(scores, Budget.from_density(0.5))["a"].tolist() == [True, False, True, False]
    assert select(inverted, Budget.from_density(0.5))["a"].tolist() == [False, True, False, True]


@given(hnp.arrays(np.float32, st.integers(1, 300), elements=st.one_of(FEW, ANY)), st.data())
def test_the_threshold_is_that_of_a_sort_also_where_a_sample_says_where_to_look(
    values: np.ndarray, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, values.size))
    tensor = torch.from_numpy(values)
    expected = np.sort(values)[::-1][count - 1]
    cut = data.draw(st.integers(0, values.size))
    parts = {"a": tensor[:cut], "b": tensor[cut:]}
    for many in (1, 1000):
        with mock.patch.object(highest_file, "_MANY", many):
            assert _kth_highest(parts, count).item() == expected
    assert tensor.equal(torch.from_numpy(values))


@pytest.mark.parametrize("kind", ["uniform", "sorted", "rows alike", "columns alike", "one value", "misled"])
@pytest.mark.parametrize("density", [1e-5, 0.147, 0.5, 0.9999])
def test_many_values_are_cut_exactly(kind: str, density: float) -> None:
    shape = (500, 301)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    if kind == "sorted":
        values = values.flatten().sort().values.view(shape)
    elif kind == "rows alike":
        values = values[:1].expand(shape).contiguous()
    elif kind == "columns alike":
        values = values[:, :1].expand(shape).contiguous()
    elif kind == "one value":
        values = torch.full(shape, 3.0)
    elif kind == "misled":  # what the sample sees is lower than all it does not see
        step = max(1, math.isqrt(values.numel()) // 8) | 1
        values.view(-1)[::step] -= 5
    budget = Budget.from_density(density)
    (mask,) = select(scores_of({"x": values}), budget, "tensor").values()
    kept = budget.kept_in_all(values.numel())
    order = np.argsort(-values.flatten().numpy(), kind="stable")
    expected = np.zeros(values.numel(), bool)
    expected[order[:kept]] = True
    assert np.array_equal(mask.flatten().numpy(), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@SCOPES
def test_masks_on_a_gpu_are_those_of_the_cpu(scope: str) -> None:
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.randint(0, 9, (40, 25), generator=generator).float() for name in ("a", "b", "c")}
    budget = Budget.from_density(0.3)
    on_cpu = select(scores_of(values), budget, scope)
    on_gpu = select(scores_of({name: value.cuda() for name, value in values.items()}), budget, scope)
    assert all(on_gpu[name].is_cuda for name in values)
    assert all(torch.equal(on_gpu[name].cpu(), on_cpu[name]) for name in values)


@SCOPES
def test_ties_in_scores_that_are_not_contiguous_are_cut_by_position(scope: str) -> None:
    values = {"a": torch.tensor([[1.0, 2.0, 2.0], [2.0, 2.0, 3.0]]).T, "b": torch.full((4, 6), 2.0)[:, ::3]}
    plain = {name: value.clone(memory_format=torch.contiguous_format) for name, value in values.items()}
    budget = Budget.from_density(0.5)
    assert not any(value.is_contiguous() for value in values.values())
    masks, same = select(scores_of(values), budget, scope), select(scores_of(plain), budget, scope)
    assert masks.kept == 7
    assert masks == same
    assert all(mask.is_contiguous() for mask in masks.values())


@SCOPES
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_scores_of_another_type_are_cut_as_their_values_in_float64(scope: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.rand(300, 301, generator=generator).to(dtype) for name in ("a", "b")}
    masks = select(scores_of(values), Budget.from_density(0.3), scope)
    groups = [["a"], ["b"]] if scope == "tensor" else [["a", "b"]]
    for names in groups:
        flat = np.concatenate([values[name].double().numpy().reshape(-1) for name in names])
        kept = np.concatenate([masks[name].numpy().reshape(-1) for name in names])
        np.testing.assert_array_equal(kept, best_of_numpy(flat, int(kept.sum())))
    assert masks.kept == round(0.3 * masks.total)


def test_one_threshold_over_scores_of_different_types_is_exact() -> None:
    """1.001 is 1 in bfloat16, which the threshold must not be rounded to."""
    values = {"a": torch.ones(3, dtype=torch.bfloat16), "b": torch.tensor([1.001, 1.002, 0.5])}
    masks = select(scores_of(values), Budget.from_density(1 / 3), "global")
    assert masks.kept_by_tensor == {"a": 0, "b": 2}
