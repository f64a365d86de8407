"""The memory of scoring is planned; what does not fit is refused by name, or made one after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from models import tiny
from torch import nn

from deepcuts import ScoreRequest, ScoringOptions, Strategy, prunable_parameters
from deepcuts import score as scored
from deepcuts.common.errors import InputError
from deepcuts.scoring import memory
from deepcuts.scoring.criteria import REGISTRY as CRITERIA
from deepcuts.scoring.memory import PlannedMemory, check_memory, fitting, planned_memory


def test_memory_is_planned_and_what_does_not_fit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("bert")
    parameters = prunable_parameters(model)
    sizes = [parameter.numel() for parameter in parameters.values()]
    weights, largest = sum(sizes), max(sizes)

    def planned(*names: str, **options: Any) -> PlannedMemory:
        requests = [ScoreRequest(Strategy.parse(name), ScoringOptions(**options)) for name in names]
        return planned_memory(parameters, requests)

    # In turn: a number a weight of each score, what goes on over all batches, gradients, the greatest tensor.
    assert planned("LayerMagWeight") == PlannedMemory(4 * weights, 0, 0, 8 * largest)
    assert planned("LayerMagGrad") == PlannedMemory(4 * weights, 0, 8 * largest, 8 * largest)
    assert planned("LayerMagGrad") == planned("LayerMagGrad", "GlobalMagGrad")
    assert planned("LayerMagGrad", "LayerGradCAM").scores == 8 * weights
    assert planned("LayerSmoothGrad", paths=3).gradients == 4 * weights + 4 * largest
    assert planned("LayerSmoothGrad", paths=1).gradients == 8 * largest
    assert planned("LayerIntegratedGrad").gradients == 8 * weights
    fisher = planned("LayerFisher")
    assert (fisher.scores, fisher.statistics, fisher.working) == (4 * weights, 4 * weights, 12 * largest)
    assert fisher.gradients == max(8 * weights + 4 * largest, 3 * 64 * 2**20)
    for size in (1, 4):  # every tensor's size is a multiple of 4
        assert planned("LayerOBS", block_size=size).statistics == 4 * size * weights
    grams = [(one.shape[1] + 1) ** 2 for one in parameters.values() if one.dim() == 2]
    gram = planned("RowSparseGPT")
    assert (gram.statistics, gram.working) == (4 * sum(grams), 32 * max(grams) + 8 * largest)
    assert planned("RowWanda").statistics < planned("RowSparseGPT").statistics / 4
    request = ScoreRequest(Strategy.parse("RowSparseGPT"), ScoringOptions())
    assert planned_memory(parameters, [request], updates=True).total == gram.total + 8 * weights

    room = planned("LayerOBS", block_size=4).total
    monkeypatch.setattr(memory, "free_memory", lambda device: room)
    check_memory(parameters, [ScoreRequest(Strategy.parse("LayerOBS"), ScoringOptions(block_size=4))])
    with pytest.raises(
        InputError, match=r"block_size: got 50, but it must be less: scoring takes .*free on cpu"
    ):
        scored(model, [], ["LayerOBS"], options=ScoringOptions(block_size=50))
    monkeypatch.setattr(memory, "free_memory", lambda device: weights)
    with pytest.raises(InputError, match="strategy: got 'LayerMagGrad', but it must fit into memory"):
        scored(model, [], ["LayerMagGrad"])


def test_scores_that_do_not_fit_together_are_made_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = prunable_parameters(tiny("bert"))
    names = ("LayerMagGrad", "LayerGradCAM", "LayerSmoothGrad", "LayerOBS", "LayerMagWeight")
    requests = [ScoreRequest(Strategy.parse(name), ScoringOptions()) for name in names]
    assert fitting(parameters, requests) == [requests]
    assert fitting(parameters, []) == []
    room = planned_memory(parameters, requests[:2]).total
    monkeypatch.setattr(memory, "free_memory", lambda device: room)
    assert fitting(parameters, requests) == [requests[:2], requests[2:3], requests[3:4], requests[4:]]


def test_bert_base_fits_in_16_gib() -> None:
    """All but OBS with large blocks, with the updates of kept weights; the model is 0.4 GiB beside."""
    shapes = [(768, 768)] * 4 + [(3072, 768), (768, 3072)]
    parameters = {}
    for place in range(12 * len(shapes)):
        shape = shapes[place % len(shapes)]
        parameters[f"{place}.weight"] = nn.Parameter(torch.empty(shape, device="meta"))
        parameters[f"{place}.bias"] = nn.Parameter(torch.empty(shape[0], device="meta"))
    for criterion in CRITERIA.values():
        for name in criterion.score_names:
            request = ScoreRequest(Strategy.parse(f"Layer{name}"), ScoringOptions())
            planned = planned_memory(parameters, [request], updates=criterion.update is not None)
            assert planned.total < 8 * 2**30, name
    large = ScoreRequest(Strategy.parse("LayerOBS"), ScoringOptions(block_size=64))
    assert planned_memory(parameters, [large]).total > 16 * 2**30
