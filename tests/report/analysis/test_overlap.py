from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from models import tiny
from sklearn.metrics import cohen_kappa_score

from deepcuts import Masks, prunable_parameters
from deepcuts.common.errors import InputError, MismatchError
from deepcuts.masks.bits import MaskBits, count_ones
from deepcuts.report.analysis import Counts, count_overlap, count_shared, grouped, head_overlap

PAIRS = hnp.array_shapes(min_dims=1, max_dims=2, max_side=9).flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)


def bits(**arrays: np.ndarray) -> MaskBits:
    return Masks({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}).to_bits()


@given(pair=PAIRS)
def test_counts_and_measures_are_those_of_sets(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = ({i for i, kept in enumerate(mask.flat) if kept} for mask in pair)
    everything = set(range(pair[0].size))
    found = count_overlap(bits(a=pair[0]), bits(a=pair[1]))["a"]
    assert found == Counts(len(everything), len(first), len(second), len(first & second))
    union, lost = first | second, (everything - first) | (everything - second)
    assert found.kept_iou == (len(first & second) / len(union) if union else 1.0)
    assert found.pruned_iou == (len(everything - union) / len(lost) if lost else 1.0)
    if pair[0].min() != pair[0].max() or pair[1].min() != pair[1].max():
        expected = cohen_kappa_score(pair[0].ravel(), pair[1].ravel(), labels=[False, True])
        assert found.kappa == pytest.approx(expected)


@given(density=st.floats(0.01, 0.99))
def test_chance_levels_have_the_closed_form_at_equal_densities(density: float) -> None:
    kept = round(density * 10_000)
    d = kept / 10_000
    counts = Counts(10_000, kept, kept, 0)
    assert counts.kept_chance == pytest.approx(d / (2 - d))
    assert counts.pruned_chance == pytest.approx((1 - d) / (1 + d))


@pytest.mark.parametrize("densities", [(0.147, 0.147), (0.5, 0.1), (0.9, 0.8)])
def test_independent_masks_overlap_as_chance_says_and_have_kappa_0(densities: tuple[float, float]) -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.random(400_000) < density for density in densities)
    found = count_overlap(bits(a=first), bits(a=second))["a"]
    assert found.kept_iou == pytest.approx(found.kept_chance, abs=4e-3)
    assert found.pruned_iou == pytest.approx(found.pruned_chance, abs=4e-3)
    assert found.kappa == pytest.approx(0, abs=5e-3)


def test_equal_masks_have_kappa_1_and_opposite_ones_below_0() -> None:
    mask = np.array([True, False, False, True, False])
    assert count_overlap(bits(a=mask), bits(a=mask))["a"].kappa == 1
    assert count_overlap(bits(a=mask), bits(a=~mask))["a"].kappa < 0
    everything = np.ones(5, dtype=bool)
    assert count_overlap(bits(a=everything), bits(a=everything))["a"].kappa == 1


@given(arrays=st.lists(hnp.arrays(np.bool_, (3, 7)), min_size=2, max_size=4))
def test_shared_weights_are_the_intersection_of_all(arrays: list[np.ndarray]) -> None:
    weights, kept, chance = count_shared([bits(a=array) for array in arrays])["a"]
    assert (weights, kept) == (21, int(np.logical_and.reduce(arrays).sum()))
    assert chance == pytest.approx(21 * np.prod([array.mean() for array in arrays]))


@given(array=hnp.arrays(np.uint8, st.integers(0, 40)))
def test_ones_are_counted(array: np.ndarray) -> None:
    assert count_ones(array) == sum(bin(int(byte)).count("1") for byte in array)


def test_groups_add_up() -> None:
    generator = np.random.default_rng(1)
    first, second = (
        {name: generator.random((4, 5)) < 0.4 for name in ("a.x", "a.y", "b.x")} for _ in range(2)
    )
    counts = count_overlap(bits(**first), bits(**second))
    by_letter = grouped(counts, lambda name: None if name == "b.x" else name[0])
    together = [np.concatenate([part["a.x"], part["a.y"]]) for part in (first, second)]
    assert by_letter == {"a": count_overlap(bits(a=together[0]), bits(a=together[1]))["a"]}


def test_heads_are_rows_of_the_query_and_columns_of_the_output() -> None:
    model = tiny("bert")  # 16 wide, 2 heads
    generator = torch.Generator().manual_seed(0)
    shapes = {name: parameter.shape for name, parameter in prunable_parameters(model).items()}
    one, other = (
        Masks({name: torch.rand(shape, generator=generator) < 0.3 for name, shape in shapes.items()})
        for _ in range(2)
    )
    found = head_overlap(one.to_bits(), other.to_bits(), heads=2)
    assert len(found) == 2 * 4 * 2  # layers, matrices, heads
    query, output = (
        f"bert.encoder.layer.1.attention.{part}.weight" for part in ("self.query", "output.dense")
    )
    for head, rows in enumerate((slice(0, 8), slice(8, 16))):
        for kind, blocks in {
            "query": (one[query][rows], other[query][rows]),
            "output": (one[output][:, rows], other[output][:, rows]),
        }.items():
            a, b = blocks
            expected = Counts(a.numel(), int(a.sum()), int(b.sum()), int((a & b).sum()))
            assert found[f"layer 1, attention {kind}, head {head}"] == expected
    with pytest.raises(InputError, match="heads"):
        head_overlap(one.to_bits(), other.to_bits(), heads=3)


def test_masks_of_different_models_are_refused_naming_the_tensor() -> None:
    mask = np.ones((2, 3), dtype=bool)
    for other in (bits(a=mask, b=mask), bits(a=mask.T), bits(b=mask)):
        with pytest.raises(MismatchError, match=r"'[ab]'"):
            count_overlap(bits(a=mask), other)
    with pytest.raises(InputError, match="masks"):
        count_shared([bits(a=mask)])
