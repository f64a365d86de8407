from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from deepcuts.deploy.runtime import break_even, kernel
from deepcuts.deploy.runtime.break_even import crossing


@pytest.mark.parametrize(
    ("dense", "times", "expected"),
    [
        (3.0, (1.0, 2.0), 0.6),  # a line through (0.2, 1) and (0.4, 2)
        (1.5, (1.0, 2.0), 0.3),
        (0.5, (1.0, 2.0), 0.1),
        (0.0, (1.0, 2.0), 0.0),
        (0.0, (2.0, 3.0), 0.0),
        (9.0, (1.0, 2.0), 1.0),
        (2.0, (1.0, 1.0), 1.0),  # no slope: whoever is faster
        (0.5, (1.0, 1.0), 0.0),
        (2.0, (1.5, 1.0), 1.0),
    ],
)
def test_where_the_line_meets_the_dense_time(
    dense: float, times: tuple[float, float], expected: float
) -> None:
    assert crossing(dense, (0.2, 0.4), times) == pytest.approx(expected)


def test_a_measurement_is_taken_once_for_each_situation(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def times(contenders: list[Callable[[], torch.Tensor]]) -> list[float]:
        outputs = [contender() for contender in contenders]
        assert len({tuple(one.shape) for one in outputs}) == 1
        taken.append({one.dtype for one in outputs})
        return [3.0, 1.0, 2.0]

    monkeypatch.setattr(break_even, "median_seconds", times)
    break_even._measured.cache_clear()
    try:
        first = break_even.break_even((16, 24), "float32", torch.float32)
        assert break_even.break_even((16, 24), "float32", torch.float32) == first == pytest.approx(0.75)
        assert len(taken) == 1
        break_even.break_even((16, 24), "bfloat16", torch.float32)
        break_even.break_even((16, 24), "float32", torch.bfloat16)
        break_even.break_even((24, 16), "float32", torch.float32)
        monkeypatch.setattr(kernel, "chosen", lambda: None)
        break_even.break_even((16, 24), "float32", torch.float32)
        assert taken.count({torch.bfloat16}) == 1
        assert len(taken) == 5
    finally:
        break_even._measured.cache_clear()


def test_a_real_measurement_is_a_density() -> None:
    break_even._measured.cache_clear()
    assert 0.0 <= break_even.break_even((64, 64), "float32", torch.float32) <= 1.0
