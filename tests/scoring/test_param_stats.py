from __future__ import annotations

import pytest
import torch

from deepcuts import ParamStats


def test_taylor_is_value_times_gradient_in_memory_of_its_own() -> None:
    stats = ParamStats(torch.tensor([2.0, -3.0]), gradient=torch.tensor([5.0, 7.0]))
    found = stats.taylor
    assert found.tolist() == [10, -21]
    found.zero_()
    assert (stats.value.tolist(), stats.taylor.tolist()) == ([2, -3], [10, -21])


def test_cam_is_the_activation() -> None:
    activation = torch.tensor([[1.0], [2.0]])
    assert ParamStats(torch.ones(2, 3), activation=activation).cam is activation


@pytest.mark.parametrize("name", ["taylor", "cam"])
def test_a_statistic_that_was_not_declared_is_not_there(name: str) -> None:
    with pytest.raises(AssertionError, match="did not declare"):
        getattr(ParamStats(torch.ones(2)), name)
