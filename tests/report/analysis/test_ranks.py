from __future__ import annotations

import pytest
import torch
from models import tiny
from scipy.stats import spearmanr

from deepcuts import Scores, Strategy, prunable_parameters
from deepcuts.common.errors import MismatchError
from deepcuts.report.analysis import rank_agreement


def test_rank_agreement_is_spearmans_correlation_by_tensor() -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.rand(p.shape, generator=generator)
        for name, p in prunable_parameters(tiny("bert")).items()
    }
    first = Scores(tensors, Strategy.parse("Random"))
    squares = Scores({name: value**2 for name, value in tensors.items()}, Strategy.parse("Random"))
    other = Scores({name: value.flip(0) for name, value in tensors.items()}, Strategy.parse("Random"))
    constant = Scores(
        {name: torch.ones_like(value) for name, value in tensors.items()}, Strategy.parse("Random")
    )
    assert all(value == pytest.approx(1) for value in rank_agreement(first, squares).values())
    assert set(rank_agreement(first, constant).values()) == {0.0}
    for name, value in rank_agreement(first, other).items():
        assert value == pytest.approx(spearmanr(first[name].flatten(), other[name].flatten()).statistic)
    with pytest.raises(MismatchError):
        rank_agreement(first, Scores({"other": torch.ones(3)}, Strategy.parse("Random")))
