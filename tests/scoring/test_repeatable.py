"""The same seed gives the same bits; noise and dropout are another's with another seed, path and batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from models import tiny, tiny_batches
from scored import EVERY, NOT_READ, PLAIN, QUICK, SMOOTH, Batches, close, same
from transformers import PreTrainedModel

from deepcuts import ScoringOptions, score
from deepcuts.common.errors import InputError


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_bits(
    bert: PreTrainedModel, batches: Batches, name: str, dropout: bool
) -> None:
    options = ScoringOptions(paths=2, dropout=dropout)
    first = score(bert, batches, [name], seed=3, options=options)[name]
    torch.rand(100)  # the global generator has no say
    second = score(bert, batches, [name], seed=3, options=options)[name]
    assert same(first, second)


@pytest.mark.parametrize("name", ["LayerMagWeight", *PLAIN])
def test_without_dropout_another_seed_changes_nothing(
    bert: PreTrainedModel, batches: Batches, name: str
) -> None:
    first, second = (score(bert, batches, [name], seed=seed)[name] for seed in (0, 1))
    assert same(first, second)


@pytest.mark.parametrize("name", ["Random", *SMOOTH])
def test_another_seed_gives_other_noise(bert: PreTrainedModel, batches: Batches, name: str) -> None:
    first, second = (score(bert, batches, [name], seed=seed, options=QUICK)[name] for seed in (0, 1))
    assert not close(first, second)


@pytest.mark.parametrize("name", PLAIN)
def test_with_dropout_another_seed_gives_another_score(
    bert: PreTrainedModel, batches: Batches, name: str
) -> None:
    options = ScoringOptions(dropout=True)
    first, second = (score(bert, batches, [name], seed=seed, options=options)[name] for seed in (0, 1))
    assert not close(first, second)


@pytest.mark.parametrize(
    ("name", "dropout"), [("LayerSmoothGrad", False), ("LayerSmoothGrad", True), ("LayerMagGrad", True)]
)
def test_noise_and_dropout_differ_from_batch_to_batch(
    bert: PreTrainedModel, name: str, dropout: bool
) -> None:
    batch = tiny_batches(bert, count=1)[0]
    options = ScoringOptions(paths=2, dropout=dropout)
    once, twice = (score(bert, [batch] * n, [name], options=options)[name] for n in (1, 2))
    assert not close({tensor: 2 * value for tensor, value in once.items()}, twice)


def test_random_tensors_do_not_repeat_each_other(bert: PreTrainedModel) -> None:
    scores = score(bert, NOT_READ, ["Random"])["Random"]
    beginnings = {tuple(value.flatten()[:4].tolist()) for value in scores.values()}
    assert len(beginnings) == len(scores)


def test_dropout_is_off_whatever_the_models_mode(bert: PreTrainedModel, batches: Batches) -> None:
    for name in ("LayerGradCAM", "LayerSmoothGradCAM"):
        in_evaluation = score(bert.eval(), batches, [name], options=QUICK)[name]
        in_training = score(bert.train(), batches, [name], options=QUICK)[name]
        assert same(in_evaluation, in_training)
        none_at_all = score(tiny("bert", dropout=0.0), batches, [name], options=QUICK)[name]
        assert same(in_evaluation, none_at_all)


@pytest.mark.parametrize("name", ["LayerMagGrad", "LayerGradCAM", "LayerSmoothGrad"])
def test_dropout_is_on_when_asked_for(bert: PreTrainedModel, batches: Batches, name: str) -> None:
    off, on = (
        score(bert, batches, [name], options=ScoringOptions(paths=2, dropout=dropout))[name]
        for dropout in (False, True)
    )
    assert not close(off, on)


def test_dropout_asked_for_changes_nothing_where_its_probability_is_zero(
    bert_without_dropout: PreTrainedModel, batches: Batches
) -> None:
    off, on = (
        score(bert_without_dropout, batches, ["LayerMagGrad"], options=ScoringOptions(dropout=dropout))
        for dropout in (False, True)
    )
    assert close(off["LayerMagGrad"], on["LayerMagGrad"])


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64, 1.5, True])
def test_a_seed_that_not_all_generators_take_is_refused(bert: PreTrainedModel, seed: Any) -> None:
    with pytest.raises(InputError, match=r"^seed: got .*from 0 to 4294967295"):
        score(bert, NOT_READ, ["Random"], seed=seed)
    assert score(bert, NOT_READ, ["Random"], seed=2**32 - 1)
