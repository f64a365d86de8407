from __future__ import annotations

import copy
import pickle

import pytest
from pruned_models import tiny_pruned
from torch import nn

from deepcuts.deploy.runtime import choices, choices_of, kernel, sparsify


def test_what_was_decided_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 16), nn.Linear(16, 16))
    for layer in model:
        layer.weight.data.fill_(1.0)[:, :4] = 0.0
    monkeypatch.setattr(choices, "break_even", lambda shape, *_: {8: 0.4, 16: 0.6}[shape[0]])
    found = choices_of(sparsify(model))
    assert found is not None
    assert (found.sparse, found.dense, found.measured, found.attention) == (1, 2, True, False)
    assert found.break_even == {"8x8": 0.4, "16x8": 0.6, "16x16": 0.6}
    assert found.kernel == kernel.chosen().name
    assert "1 of 3 pruned layers run sparse" in str(found)
    assert "faster here: 8x8 up to 0.400, 16x8 up to 0.600" in str(found)


def test_it_goes_along_with_the_model() -> None:
    model, _ = tiny_pruned(hidden_size=32)
    sparse = sparsify(model, dense_above=1.0)
    found = choices_of(sparse)
    assert (found.measured, found.dense, found.attention, found.whole_layers) == (False, 0, True, 2)
    assert choices_of(copy.deepcopy(sparse)) == found
    assert choices_of(pickle.loads(pickle.dumps(sparse))) == found
    assert choices_of(model) is None
    assert found.as_json()["break_even"]
