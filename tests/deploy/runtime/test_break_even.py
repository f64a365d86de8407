from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from deepcuts.deploy.runtime import break_even, kernel, measured
from deepcuts.deploy.runtime.break_even import DENSITIES, crossing


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is known of this machine, neither in the process nor in the folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(measured.FOLDER, str(folder))
    measured.forget()
    yield folder
    measured.forget()


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
        (3.0, (1.0, 2.0, 4.0), 0.5),  # (0.6, 4): the line is another one there
        (3.0, (1.0, 5.0, 4.0), 0.4 - 0.2 / 3),  # what is below a later one was disturbed
        (5.0, (1.0, 2.0, 4.0), 0.7),
    ],
)
def test_where_the_sparse_times_meet_the_dense_time(
    dense: float, times: tuple[float, ...], expected: float
) -> None:
    assert crossing(dense, (0.2, 0.4, 0.6)[: len(times)], times) == pytest.approx(expected)


class NoisyMachine:
    """A clock that only what is done moves: by its true time, and by what else the machine does meanwhile.

    Every run is a little late; in phases of many runs another process takes half of the machine; now and
    then a run is interrupted for as long as ten others.
    """

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._now = 0.0
        self._shared = False

    def clock(self) -> float:
        return self._now

    def do(self, seconds: float) -> Callable[[], None]:
        def run() -> None:
            if self._draw.random() < 0.02:
                self._shared = not self._shared
            taken = seconds * (1 + abs(self._draw.gauss(0, 0.05))) * (2 if self._shared else 1)
            self._now += taken + (10 * seconds if self._draw.random() < 0.03 else 0)

        return run


def test_ten_measurements_on_a_noisy_machine_agree() -> None:
    """The true times bend as the kernel's do, and meet the dense one's at 0.6."""
    true = {density: 100 * density**0.75 for density in DENSITIES}
    meets = 100 * 0.6**0.75
    found = []
    for seed in range(10):
        machine = NoisyMachine(seed)
        contenders = {name: machine.do(1e-6 * time) for name, time in {"dense": meets, **true}.items()}
        seconds = break_even.fastest(contenders, clock=machine.clock)
        found.append(crossing(seconds["dense"], DENSITIES, [seconds[density] for density in DENSITIES]))
    assert max(found) - min(found) < 0.03
    assert all(abs(one - 0.6) < 0.03 for one in found)


def test_one_thread_measures_whatever_pytorch_uses() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = []
        break_even.fastest({"a": lambda: seen.append(torch.get_num_threads())})
        assert set(seen) == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_measurement_is_taken_once_for_each_situation(
    monkeypatch: pytest.MonkeyPatch, unmeasured: Path
) -> None:
    taken = []

    def times(contenders: dict[str, Callable[[], torch.Tensor]]) -> dict[str, float]:
        outputs = [contender() for contender in contenders.values()]
        assert len({tuple(one.shape) for one in outputs}) == 1
        taken.append({one.dtype for one in outputs})
        return {name: 75.0 if name == "dense" else 100.0 * float(name) for name in contenders}

    monkeypatch.setattr(break_even, "fastest", times)
    first = break_even.break_even((16, 24), "float32", torch.float32)
    assert break_even.break_even((16, 24), "float32", torch.float32) == first == pytest.approx(0.75)
    assert len(taken) == 1
    measured.forget()  # as another process does
    assert break_even.break_even((16, 24), "float32", torch.float32) == first
    assert len(taken) == 1
    break_even.break_even((16, 24), "bfloat16", torch.float32)
    break_even.break_even((16, 24), "float32", torch.bfloat16)
    break_even.break_even((24, 16), "float32", torch.float32)
    monkeypatch.setattr(kernel, "chosen", lambda: None)
    break_even.break_even((16, 24), "float32", torch.float32)
    assert taken.count({torch.bfloat16}) == 1
    assert len(taken) == 5
    assert len(list(unmeasured.iterdir())) == 5


def test_what_is_measured_is_a_dense_layer_and_sparse_ones_of_all_densities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fastest(contenders: dict[str, Any]) -> dict[str, float]:
        inputs = torch.ones(128, 64)
        for name, contender in contenders.items():
            assert contender().shape == (128, 96)
            if name != "dense":
                (layer, density) = (contender.func, float(name))
                assert layer.density == pytest.approx(density, abs=0.03)
                torch.testing.assert_close(layer(inputs), F.linear(inputs, layer.weight, layer.bias))
        return {name: 1.0 if name == "dense" else float(name) for name in contenders}

    monkeypatch.setattr(break_even, "fastest", fastest)
    assert break_even.break_even((96, 64), "float32", torch.float32) == 1.0
