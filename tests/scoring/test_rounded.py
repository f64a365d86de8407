"""Passes and weights of 16 bits: scores near those of 32, summed in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from models import tiny
from scored import Batches, same
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts import ScoreRequest, Scores, ScoringOptions, Strategy, score, score_requests


def assert_rounded(found: Scores, exact: Scores) -> None:
    """Scores differ from exact ones as numbers of 8 bits do after some layers, in size, not in rank alone."""
    for name, value in exact.items():
        assert found[name].dtype is torch.float32
        # Keys' biases have no gradient but for rounding, here of up to 3e-5 in all.
        assert (found[name] - value).norm() <= 0.06 * value.norm() + 5e-5


def test_half_precision_weights_are_summed_in_float32(batches: Batches) -> None:
    model = tiny("bert").to(torch.bfloat16)
    found = score(model, batches, ["LayerMagGrad", "LayerGradCAM"])
    exact = score(tiny("bert"), batches, ["LayerMagGrad"])["LayerMagGrad"]
    for scores in found.values():
        assert all(value.dtype is torch.float32 for value in scores.values())
    assert_rounded(found["LayerMagGrad"], exact)


def test_bf16_is_close_to_fp32_and_shares_no_pass_with_it(bert: PreTrainedModel, batches: Batches) -> None:
    calls: list[bool] = []

    def loss_fn(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
        calls.append(torch.is_autocast_enabled("cpu"))
        return model(**batch).loss

    requests = [
        ScoreRequest(Strategy.parse(name), ScoringOptions(paths=2, precision=precision))
        for precision in ("fp32", "bf16")
        for name in ("LayerMagGrad", "LayerGradCAM", "LayerSmoothGrad", "LayerMagWeight")
    ]
    found = score_requests(bert, batches[:1], requests, loss_fn=loss_fn)
    assert sorted(calls) == [False] * 3 + [True] * 3
    for full, half in zip(requests[:3], requests[4:7], strict=True):
        assert not same(found[half], found[full])
        assert_rounded(found[half], found[full])
    with torch.autocast("cpu", torch.bfloat16):
        loss = bert(**batches[0]).loss
    loss.backward()
    for name, importances in found[requests[4]].items():
        parameter = bert.get_parameter(name)
        assert torch.equal(importances, (parameter * parameter.grad).abs())
    bert.zero_grad()
    assert same(found[requests[3]], found[requests[7]])
    assert not torch.is_autocast_enabled("cpu")
