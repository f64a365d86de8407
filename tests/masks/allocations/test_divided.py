"""Row, Floor, LAMP and ERK against plain loops in numpy: exact counts, ties by position, edges of budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import tiny
from torch import Tensor

from deepcuts import Budget, Masks, Scores, Strategy, score, select
from deepcuts.common.errors import InputError
from deepcuts.masks import planned_counts

FEW = (0.0, -0.0, 1.0, 2.0, 0.5, 3.0)
DENSITIES = st.one_of(st.sampled_from([1.0, 0.5, 0.1, 0.02]), st.integers(1, 99).map(lambda n: n / 100))


@st.composite
def layers(draw: st.DrawFn) -> dict[str, Tensor]:
    """Scores of linear layers with and without a bias, and of a bias and a vector on their own."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    has_ties = draw(st.booleans())

    def values(*shape: int) -> Tensor:
        if not has_ties:
            return torch.rand(shape, generator=generator)
        return torch.tensor(FEW)[torch.randint(0, len(FEW), shape, generator=generator)]

    found = {}
    for place in range(draw(st.integers(1, 3))):
        rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
        found[f"layer.{place}.weight"] = values(rows, columns)
        if draw(st.booleans()):
            found[f"layer.{place}.bias"] = values(rows)
    if draw(st.booleans()):
        found["other.bias"] = values(draw(st.integers(1, 7)))
        found["other.scale"] = values(draw(st.integers(1, 7)))
    return found


def cut(values: Mapping[str, Tensor], density: float, name: str, **options: float) -> Masks | None:
    """Masks; None where the budget keeps nothing."""
    budget = Budget.from_density(density)
    scores = Scores(values, Strategy.parse(f"{name}MagWeight"))
    if round(budget.density * sum(value.numel() for value in values.values())) < 1:
        with pytest.raises(InputError, match="at least one"):
            select(scores, budget)
        return None
    before = {tensor: value.clone() for tensor, value in values.items()}
    masks = select(scores, replace(budget, options=options))
    assert all(torch.equal(value, before[tensor]) for tensor, value in values.items())
    assert all(mask.is_contiguous() and mask.shape == values[tensor].shape for tensor, mask in masks.items())
    assert masks.kept == budget.kept_in_all(masks.total)
    return masks


def best(values: np.ndarray, count: int) -> np.ndarray:
    mask = np.zeros(values.size, bool)
    mask[np.argsort(-values, kind="stable")[:count]] = True
    return mask


def by_remainder(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    kept = {name: math.floor(share) for name, share in shares.items()}
    places = sorted(shares, key=lambda name: -(shares[name] - kept[name]))
    for name in places[: total - sum(kept.values())]:
        kept[name] += 1
    return kept


def flat(masks: Masks) -> dict[str, np.ndarray]:
    return {name: mask.numpy().reshape(-1) for name, mask in masks.items()}


@given(layers(), DENSITIES, st.sampled_from([0.0, 0.25, 0.6, 1.0]))
def test_a_floor_keeps_its_part_of_every_tensor_and_the_highest_of_the_rest(
    values: dict[str, Tensor], density: float, floor: float
) -> None:
    masks = cut(values, density, "Floor", floor=floor)
    if masks is None:
        return
    exact = Fraction(str(density))
    arrays = {name: value.numpy().reshape(-1) for name, value in values.items()}
    equal = by_remainder({name: exact * one.size for name, one in arrays.items()}, masks.kept)
    least = {
        n: min(math.ceil(Fraction(str(floor)) * exact * one.size), equal[n]) for n, one in arrays.items()
    }
    kept = {name: best(one, least[name]) for name, one in arrays.items()}
    rest = [(-one[place], order, place, name) for order, (name, one) in enumerate(arrays.items())
            for place in np.flatnonzero(~kept[name])]  # fmt: skip
    for _, _, place, name in sorted(rest)[: masks.kept - sum(least.values())]:
        kept[name][place] = True
    for name, mask in flat(masks).items():
        np.testing.assert_array_equal(mask, kept[name])
        assert mask.sum() >= least[name]


@given(layers(), DENSITIES)
def test_a_floor_of_nothing_is_global_and_one_of_all_is_layer(
    values: dict[str, Tensor], density: float
) -> None:
    for floor, same in [(0.0, "Global"), (1.0, "Layer")]:
        assert cut(values, density, "Floor", floor=floor) == cut(values, density, same)


@given(layers(), DENSITIES)
def test_every_row_keeps_its_share_with_its_bias(values: dict[str, Tensor], density: float) -> None:
    masks = cut(values, density, "Row")
    if masks is None:
        return
    groups = {}
    for name in values:
        if name.endswith("weight"):
            groups[name] = [name, *(one for one in [name.replace("weight", "bias")] if one in values)]
        elif name.startswith("other"):
            groups[name] = [name]
    exact = Fraction(str(density))
    sizes = {name: sum(values[one].numel() for one in names) for name, names in groups.items()}
    kept = by_remainder({name: exact * size for name, size in sizes.items()}, masks.kept)
    for owner, names in groups.items():
        rows = values[owner].shape[0] if owner.endswith("weight") else 1
        for row in range(rows):
            joined = np.concatenate([values[one].numpy().reshape(rows, -1)[row] for one in names])
            found = np.concatenate([masks[one].numpy().reshape(rows, -1)[row] for one in names])
            share = Fraction(kept[owner], rows)
            assert found.sum() in (math.floor(share), math.ceil(share))
            np.testing.assert_array_equal(found, best(joined, int(found.sum())))
        for upto in range(rows + 1):  # the rounding is spread: no run of rows has more than its part
            so_far = sum(int(masks[one].reshape(rows, -1)[:upto].sum()) for one in names)
            assert so_far == kept[owner] * upto // rows


@given(layers(), DENSITIES)
def test_lamp_keeps_the_highest_of_its_formula(values: dict[str, Tensor], density: float) -> None:
    masks = cut(values, density, "LAMP")
    if masks is None:
        return
    arrays = {name: value.double().numpy().reshape(-1) for name, value in values.items()}
    candidates = []
    for order, (name, one) in enumerate(arrays.items()):
        seen = 0.0
        for rank, place in enumerate(np.argsort(-one, kind="stable")):
            seen += one[place] ** 2
            candidates.append((-(one[place] ** 2 / seen if seen else 0.0), order, rank, place, name))
    kept = {name: np.zeros(one.size, bool) for name, one in arrays.items()}
    for *_, place, name in sorted(candidates)[: masks.kept]:
        kept[name][place] = True
    for name, mask in flat(masks).items():
        np.testing.assert_array_equal(mask, kept[name])


def test_lamp_by_hand() -> None:
    """4, 2, 1: 16/16, 4/20, 1/21; 3, 3: 9/9, 9/18; so the second 3 is kept before the 2."""
    values = {"a": torch.tensor([1.0, 4.0, 2.0]), "b": torch.tensor([3.0, 3.0])}
    masks = cut(values, 0.6, "LAMP")
    assert masks is not None
    assert [mask.tolist() for mask in masks.values()] == [[False, True, False], [True, True]]


def test_lamp_of_inverted_scores_divides_alike_and_keeps_the_worst() -> None:
    upright = Scores({"a": torch.tensor([1.0, 4.0, 2.0]), "b": torch.tensor([3.0, 5.0])},
                     Strategy.parse("LAMPMagWeight"))  # fmt: skip
    masks = select(upright.under(Strategy.parse("InvertedLAMPMagWeight")), Budget.from_density(0.6))
    assert [mask.tolist() for mask in masks.values()] == [[True, False, False], [True, True]]


@given(layers(), DENSITIES)
def test_erk_gives_what_whole_tensors_leave_to_the_others(values: dict[str, Tensor], density: float) -> None:
    masks = cut(values, density, "ERK")
    if masks is None:
        return
    sizes = {name: value.numel() for name, value in values.items()}
    sides = {name: sum(value.shape) for name, value in values.items()}
    # The scale by bisection: what all keep grows with it, and every tensor is bounded by its size.
    low, high = 0.0, float(masks.total)
    for _ in range(200):
        middle = (low + high) / 2
        all_kept = sum(min(sizes[name], middle * sides[name]) for name in sizes)
        low, high = (middle, high) if all_kept < masks.kept else (low, middle)
    for name, count in masks.kept_by_tensor.items():
        assert abs(count - min(sizes[name], high * sides[name])) < 1 + 1e-6
        np.testing.assert_array_equal(
            masks[name].numpy().reshape(-1), best(values[name].numpy().reshape(-1), count)
        )
    shapes = {name: value.shape for name, value in values.items()}
    assert planned_counts(shapes, Budget.from_density(density), "erk") == masks.kept_by_tensor


def test_erk_by_hand() -> None:
    """Sides 8, 4, 4 of sizes 16, 4, 4 and 12 to keep: 12/16 each, 6, 3, 3; of 20 the small ones are whole."""
    shapes = {"a": (4, 4), "b": (2, 2), "c": (4,)}
    for kept, expected in [(12, [6, 3, 3]), (20, [12, 4, 4]), (24, [16, 4, 4])]:
        counts = planned_counts(shapes, Budget(Fraction(kept, 24), ""), "erk")
        assert counts is not None
        assert list(counts.values()) == expected


@pytest.mark.parametrize("name", ["Row", "Floor", "LAMP", "ERK"])
@pytest.mark.parametrize("model_type", ["bert", "albert"])
def test_they_cut_a_model_to_its_budget(name: str, model_type: str) -> None:
    model = tiny(model_type)
    strategy = f"{name}MagWeight"
    assert str(Strategy.parse(strategy)) == strategy
    scores = score(model, [], [strategy])[strategy]
    for density in (0.013, 0.25, 1.0):
        masks = select(scores, Budget.from_density(density))
        assert masks.kept == Budget.from_density(density).kept_in_all(masks.total)
    assert masks.provenance["budget"]["scope"] == Strategy.parse(strategy).scope
