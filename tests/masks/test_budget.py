from __future__ import annotations

import math
import re
from dataclasses import FrozenInstanceError
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from models import tiny
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from deepcuts import Budget, prunable_parameters
from deepcuts.common.errors import InputError

TOTAL, PRUNABLE = 109_483_778, 85_608_192  # of bert-base-uncased with two labels


@pytest.fixture(scope="module")
def bert_base() -> PreTrainedModel:
    with torch.device("meta"):
        return BertForSequenceClassification(BertConfig(num_labels=2))


def test_bert_base_has_the_parameters_that_the_paper_counts(bert_base: PreTrainedModel) -> None:
    assert sum(parameter.numel() for parameter in bert_base.parameters()) == TOTAL
    assert sum(parameter.numel() for parameter in prunable_parameters(bert_base).values()) == PRUNABLE


@pytest.mark.parametrize(("ratio", "percent"), [(2, "36.06"), (3, "14.74"), (3.5, "8.65"), (4, "4.08")])
def test_densities_of_bert_base_are_those_of_the_paper(
    bert_base: PreTrainedModel, ratio: float, percent: str
) -> None:
    budget = Budget.from_compression(bert_base, ratio)
    assert f"{float(budget.density):.2%}" == f"{percent}%"  # the first is 36.0553 %
    kept = budget.kept_in_all(PRUNABLE)
    left = TOTAL - PRUNABLE + kept
    assert left == round(TOTAL / Fraction(str(ratio)))
    assert TOTAL / left == pytest.approx(ratio, abs=1e-7)
    sizes = {name: parameter.numel() for name, parameter in prunable_parameters(bert_base).items()}
    assert len(sizes) == 12 * 12 + 2
    by_tensor = budget.kept_by_tensor(sizes)
    assert sum(by_tensor.values()) == kept
    assert all(abs(by_tensor[name] - budget.density * sizes[name]) < 1 for name in sizes)


def test_a_ratio_beyond_reach_names_the_highest(bert_base: PreTrainedModel) -> None:
    with pytest.raises(InputError, match=r"compression: got 4\.59.*4\.58.*23,875,586 of 109,483,778"):
        Budget.from_compression(bert_base, 4.59)
    assert Budget.from_compression(bert_base, 4.58).kept_in_all(PRUNABLE) >= 1


def test_a_small_model_cannot_be_compressed_much_and_the_message_says_how_far() -> None:
    model = tiny("bert", vocab_size=4000)
    with pytest.raises(InputError) as caught:
        Budget.from_compression(model, 2)
    highest = float(re.search(r"highest reachable ratio is ([\d.]+)", str(caught.value))[1])
    assert 1 < highest < 2
    Budget.from_compression(model, highest)
    with pytest.raises(InputError):
        Budget.from_compression(model, highest + 0.02)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(1, 1e6))
def test_compression_leaves_the_rounded_share_or_says_what_is_reachable(
    protected: int, prunable: int, ratio: float
) -> None:
    total = protected + prunable
    try:
        budget = Budget.from_counts(total, prunable, ratio)
    except InputError as error:
        highest = float(re.search(r"ratio is ([\d.]+)", str(error))[1])
        assert highest <= ratio + 0.01
        assert Budget.from_counts(total, prunable, highest).kept_in_all(prunable) >= 1
    else:
        kept = budget.kept_in_all(prunable)
        assert 1 <= kept <= prunable
        assert protected + kept == round(total / Fraction(str(ratio)))


def test_compression_one_keeps_everything(bert_base: PreTrainedModel) -> None:
    assert Budget.from_compression(bert_base, 1).density == 1


def test_compression_counts_the_parameters_that_patterns_name() -> None:
    model = tiny("bert")
    patterns = ["bert.encoder.layer.0.*"]
    total = sum(parameter.numel() for parameter in model.parameters())
    prunable = sum(parameter.numel() for parameter in prunable_parameters(model, patterns).values())
    budget = Budget.from_compression(model, 1.1, "global", patterns)
    assert total - prunable + budget.kept_in_all(prunable) == round(total / Fraction("1.1"))
    assert budget.scope == "global"


def test_compression_counts_shared_parameters_once() -> None:
    model = tiny("albert")
    total = sum(parameter.numel() for parameter in model.parameters())
    prunable = sum(parameter.numel() for parameter in prunable_parameters(model).values())
    budget = Budget.from_compression(model, 2)
    assert total - prunable + budget.kept_in_all(prunable) == round(Fraction(total, 2))


@pytest.mark.parametrize(
    ("density", "total", "kept"), [(0.1, 30, 3), (0.7, 10, 7), (1, 7, 7), (1e-3, 1000, 1), (0.575, 100, 58)]
)
def test_a_density_is_the_decimal_that_was_written(density: float, total: int, kept: int) -> None:
    assert Budget.from_density(density).kept_in_all(total) == kept
    assert round(0.575 * 100) == 57, "floats would be off by one in the last case"


@given(st.integers(1, 999))
def test_sparsity_is_one_minus_density(thousandths: int) -> None:
    sparsity = Budget.from_sparsity(thousandths / 1000).density
    assert sparsity == 1 - Budget.from_density(thousandths / 1000).density


def test_sparsity_zero_keeps_everything() -> None:
    assert Budget.from_sparsity(0).density == 1


def test_a_budget_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        Budget.from_density(0.5).density = Fraction(1)  # type: ignore[misc]


def test_says_how_it_was_asked_for_and_keeps_the_scope() -> None:
    found = [
        Budget.from_density(0.25, "global"),
        Budget.from_sparsity(0.9),
        Budget.from_counts(100, 80, 3.5, "tensor"),
    ]
    assert [(budget.asked, budget.scope) for budget in found] == [
        ("density 0.25", "global"),
        ("sparsity 0.9", None),
        ("compression 3.5", "tensor"),
    ]


@pytest.mark.parametrize("value", [np.float64(0.25), Fraction(1, 4)])
def test_other_kinds_of_numbers_are_taken(value: Any) -> None:
    budget = Budget.from_density(value)
    assert (budget.density, budget.asked) == (Fraction(1, 4), "density 0.25")


NEVER = [math.nan, math.inf, -math.inf, True, False, "0.5", None, 1j, Decimal("0.5"), [0.5], 10**400, -1]


@pytest.mark.parametrize("value", [*NEVER, 0, 0.0, -0.1, 1.0001, 2])
def test_a_bad_density_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"^density: got .*above 0 and at most 1"):
        Budget.from_density(value)


@pytest.mark.parametrize("value", [*NEVER, 1, 1.0, -0.1, 2])
def test_a_bad_sparsity_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"^sparsity: got .*from 0 to below 1"):
        Budget.from_sparsity(value)


@pytest.mark.parametrize("value", [*NEVER, 0, 0.5, 0.999, -2.0])
def test_a_bad_compression_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"^compression: got .*(1 or more|highest reachable)"):
        Budget.from_counts(100, 80, value)


def test_a_budget_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"density: got 0\.001, but it must keep at least one of 100 weights"
    ):
        Budget.from_density(0.001).kept_in_all(100)
    with pytest.raises(InputError, match="at least one of 100"):
        Budget.from_density(0.001).kept_by_tensor({"a": 60, "b": 40})


def test_one_tensor_may_be_left_with_nothing() -> None:
    assert Budget.from_density(0.1).kept_by_tensor({"a": 100, "b": 2}) == {"a": 10, "b": 0}


def test_equal_remainders_are_rounded_up_in_the_models_order() -> None:
    """Three shares of 1.5 make 4.5, which rounds to 4: one more than the floors, for the first."""
    budget = Budget.from_density(0.5)
    assert budget.kept_by_tensor({"a": 3, "b": 3, "c": 3}) == {"a": 2, "b": 1, "c": 1}


def test_the_largest_remainder_is_rounded_up_first() -> None:
    """Shares of 0.6, 1.2 and 1.8, together 3.6: of the two to spare, c's 0.8 and a's 0.6 get one."""
    budget = Budget.from_density(0.6)
    assert budget.kept_by_tensor({"a": 1, "b": 2, "c": 3}) == {"a": 1, "b": 1, "c": 2}


@given(
    st.dictionaries(st.text(max_size=3), st.integers(0, 300), min_size=1, max_size=12),
    st.fractions(Fraction(1, 1000), 1),
)
def test_shares_of_tensors_are_exact_within_one_and_in_sum(sizes: dict[str, int], density: Fraction) -> None:
    total = sum(sizes.values())
    assume(round(density * total) >= 1)
    budget = Budget(density, "a test")
    kept = budget.kept_by_tensor(sizes)
    assert list(kept) == list(sizes)
    assert sum(kept.values()) == budget.kept_in_all(total) == round(density * total)
    for name, size in sizes.items():
        assert math.floor(density * size) <= kept[name] <= math.ceil(density * size)
