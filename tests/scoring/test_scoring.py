"""Scoring: what is asked for in one sweep, by name, options and limits, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from models import tiny
from scored import EVERY, NOT_READ, PLAIN, QUICK, SMOOTH, Batches, Counting, close, same
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts import ScoreRequest, ScoringOptions, Strategy, score, score_requests, strategy_names
from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import InputError


@pytest.mark.parametrize("dropout", [False, True])
def test_one_sweep_for_many_equals_a_sweep_for_each_bit_for_bit(
    bert: PreTrainedModel, batches: Batches, dropout: bool
) -> None:
    options = ScoringOptions(paths=2, dropout=dropout)
    together = score(bert, batches, EVERY, options=options)
    assert list(together) == EVERY
    for name in EVERY:
        alone = score(bert, batches, [name], options=options)
        assert same(together[name], alone[name]), name


@pytest.mark.parametrize("dropout", [False, True])
def test_one_sweep_for_many_does_not_depend_on_the_order_of_the_strategies(
    bert: PreTrainedModel, batches: Batches, dropout: bool
) -> None:
    options = ScoringOptions(paths=2, dropout=dropout)
    forward = score(bert, batches, EVERY, options=options)
    backward = score(bert, batches, EVERY[::-1], options=options)
    for name in EVERY:
        assert same(forward[name], backward[name]), name


@pytest.mark.parametrize(
    ("names", "passes_a_batch"),
    [
        (["Random", "LayerMagWeight"], 0),
        (["LayerMagGrad"], 1),
        (PLAIN, 1),
        (["LayerSmoothGrad"], 4),
        (["LayerSmoothGradCAM"], 1 + 4),
        ([*PLAIN, *SMOOTH], 1 + 4),
    ],
)
def test_what_strategies_share_is_computed_once_and_nothing_for_nothing(
    bert: PreTrainedModel, batches: Batches, names: list[str], passes_a_batch: int
) -> None:
    passes = 0

    def counting(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        nonlocal passes
        passes += 1
        return model(**batch).loss

    score(bert, batches, names, loss_fn=counting, options=ScoringOptions(paths=4))
    assert passes == len(batches) * passes_a_batch


def test_names_are_the_ones_that_were_given(bert: PreTrainedModel, batches: Batches) -> None:
    given = ["Cam-Cut", "LayerGradCAMShift", Strategy("GradCAMShift", "global"), "Cam-Cut"]
    found = score(bert, batches[:1], given)
    assert list(found) == ["Cam-Cut", "LayerGradCAMShift", "GlobalGradCAMShift"]
    assert found["Cam-Cut"].strategy == Strategy("GradCAMShift")
    assert found["GlobalGradCAMShift"].strategy.scope == "global"
    assert same(found["Cam-Cut"], found["GlobalGradCAMShift"])


def test_inverted_is_negated(bert: PreTrainedModel, batches: Batches) -> None:
    found = score(bert, batches, ["LayerMagGrad", "InvertedLayerMagGrad"])
    upright, inverted = found.values()
    assert all(torch.equal(inverted[name], -upright[name]) for name in upright)
    assert str(inverted.strategy) == "InvertedLayerMagGrad"
    assert min(value.min() for value in upright.values()) >= 0


def test_one_sweep_serves_every_strategy_there_is(bert: PreTrainedModel, batches: Batches) -> None:
    found = score(bert, batches[:1], strategy_names(), options=QUICK)
    sizes = {name: parameter.shape for name, parameter in prunable_parameters(bert).items()}
    for scores in found.values():
        assert {name: value.shape for name, value in scores.items()} == sizes
        assert all(value.dtype is torch.float32 for value in scores.values())


def test_patterns_choose_what_is_scored(bert: PreTrainedModel, batches: Batches) -> None:
    everything = score(bert, batches, ["LayerGradCAM"])["LayerGradCAM"]
    patterns = ["bert.encoder.layer.1.*.dense.weight"]
    found = score(bert, batches, ["LayerGradCAM"], prunable=patterns)["LayerGradCAM"]
    assert list(found) == [
        f"bert.encoder.layer.1.{part}.dense.weight" for part in ("attention.output", "intermediate", "output")
    ]
    assert close(found, {name: everything[name] for name in found})
    assert found.model is not None
    assert found.model.prunable == sum(value.numel() for value in found.values())


@pytest.mark.parametrize("names", [[], ()])
def test_no_strategy_is_an_error(bert: PreTrainedModel, names: list[str]) -> None:
    with pytest.raises(InputError, match=r"strategies: .*at least one"):
        score(bert, NOT_READ, names)


def test_an_unknown_strategy_is_an_error_before_any_batch_is_read(
    bert: PreTrainedModel, batches: Batches
) -> None:
    source = Counting(batches)
    with pytest.raises(InputError, match="LayerMagGrad"):
        score(bert, source, ["LayerMagGrad", "LayerMagGra"])
    assert source.taken == 0


def test_provenance_says_what_the_scores_were_made_from(bert: PreTrainedModel, batches: Batches) -> None:
    options = ScoringOptions(paths=2, shift=3.0, max_smooth_batches=2)
    names = ["LayerMagGrad", "GlobalSmoothGradCAMShift", "Random"]
    found = score(bert, batches, names, seed=17, options=options)
    parameters = prunable_parameters(bert)
    for name, counts in zip(names, [(3, 12), (2, 8), (0, 0)], strict=True):
        scores = found[name]
        assert scores.provenance == {
            "strategy": name,
            "options": Strategy.parse(name).options_read(options).as_dict(),
            "batches": counts[0],
            "examples": counts[1],
            "seed": 17,
            "model": {
                "name": "BertForSequenceClassification",
                "architecture": "bert",
                "parameters": sum(parameter.numel() for parameter in bert.parameters()),
                "prunable": sum(parameter.numel() for parameter in parameters.values()),
                "digest": tensors_digest(parameters.items()),
            },
        }
        assert json.loads(json.dumps(scores.provenance)) == scores.provenance


def test_the_digest_tells_one_models_weights_from_anothers(bert: PreTrainedModel) -> None:
    def digest(model: PreTrainedModel) -> str:
        scores = score(model, NOT_READ, ["Random"])["Random"]
        assert scores.model is not None
        return scores.model.digest

    first = digest(bert)
    assert digest(tiny("bert")) == first
    with torch.no_grad():
        bert.bert.pooler.dense.bias[0] += 1e-3
    assert digest(bert) != first


def test_requests_with_options_of_their_own_are_scored_as_each_alone(
    bert: PreTrainedModel, batches: Batches
) -> None:
    requests = [
        ScoreRequest(Strategy.parse(name), options)
        for name in ("LayerGradCAMShift", "GlobalSmoothGradCAMShift", "LayerMagGrad")
        for options in (
            ScoringOptions(paths=2),
            ScoringOptions(paths=2, shift=0.5, padding=True),
            ScoringOptions(paths=3, noise_std=0.4, max_batches=2, max_smooth_batches=1),
            ScoringOptions(paths=2, dropout=True),
        )
    ]
    together = score_requests(bert, batches, requests)
    assert list(together) == requests
    for request in requests:
        alone = score(bert, batches, [request.strategy], options=request.options)[str(request.strategy)]
        assert same(together[request], alone)
        assert together[request].options == request.strategy.options_read(request.options)
        assert together[request].batches == alone.batches


def test_requests_that_differ_in_what_is_not_read_are_one_score(
    bert: PreTrainedModel, batches: Batches
) -> None:
    calls = 0

    def counting(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        nonlocal calls
        calls += 1
        return model(**batch).loss

    shifts = [
        ScoreRequest(Strategy.parse("LayerMagGrad"), ScoringOptions(shift=shift)) for shift in (0.0, 1.0)
    ]
    cams = [
        ScoreRequest(Strategy.parse("LayerGradCAMShift"), ScoringOptions(shift=shift))
        for shift in (0.0, 1.0, 9.0)
    ]
    found = score_requests(bert, batches, [*shifts, *cams], loss_fn=counting)
    assert calls == len(batches)
    name = next(iter(found[shifts[0]]))
    assert found[shifts[0]][name] is found[shifts[1]][name]
    assert not torch.equal(found[cams[0]][name], found[cams[2]][name])
