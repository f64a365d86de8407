"""The benchmarks' plain reference agrees with the package, and each of them runs, on a tiny shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import tiny, tiny_batches

from benchmarks import scoring, shapes
from benchmarks.cutting import time_cutting
from benchmarks.growth import draw_growth, measure_growth
from benchmarks.plain import score_plainly
from benchmarks.timing import Beside, Timed, in_turns
from benchmarks.training import time_training
from deepcuts import Budget, ScoringOptions, Strategy, prunable_parameters, score, select
from deepcuts.scores import Scores
from deepcuts.seeds import derive_seed
from deepcuts.smoothing import noisy_linear_layers


@pytest.fixture
def tiny_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"hidden_size": 12, "num_hidden_layers": 1, "intermediate_size": 16, "num_attention_heads": 2}
    monkeypatch.setattr(shapes, "CONFIGS", {"BERT-base": small, "MiniLM": small})


def noise_of(model: torch.nn.Module, batch: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """What `noisy_linear_layers` adds to each layer in one pass."""
    names = {module: name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    found: dict[str, torch.Tensor] = {}
    with torch.no_grad(), noisy_linear_layers(model, 0.5, seed):
        hooks = [
            module.register_forward_hook(
                lambda m, inputs, output: found.update(
                    {names[m]: output - torch.nn.functional.linear(inputs[0], m.weight, m.bias)}
                )
            )
            for module in names
        ]
        model(**batch)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", ["MagGrad", "GradCAM", "GradCAMShift", "SmoothGrad"])
def test_scores_are_those_of_the_equations_read_plainly_and_so_are_the_masks(name: str) -> None:
    model = tiny("bert")
    batches = tiny_batches(model)
    for batch in batches:
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    options = ScoringOptions(paths=2, noise_std=0.5)
    noises = None
    if name == "SmoothGrad":
        noises = [
            [
                noise_of(model, batch, derive_seed(derive_seed(7, "batch", index), "path", path))
                for path in range(2)
            ]
            for index, batch in enumerate(batches)
        ]
    strategy = f"Layer{name}"
    found = score(model, batches, [strategy], seed=7, options=options)[strategy]
    plain = score_plainly(model, batches, list(prunable_parameters(model)), name, noises=noises)
    largest = max(value.max() for value in plain.values())
    for tensor, expected in plain.items():
        np.testing.assert_allclose(found[tensor].numpy(), expected, rtol=2e-3, atol=2e-6 * largest)
    # Masks are equal but for weights whose scores are within rounding of the threshold.
    budget = Budget.from_density(0.3)
    as_scores = Scores({n: torch.from_numpy(v) for n, v in plain.items()}, Strategy.parse(strategy))
    ours, theirs = select(found, budget), select(as_scores, budget)
    for tensor, expected in plain.items():
        differing = (ours[tensor] != theirs[tensor]).numpy()
        if differing.any():
            threshold = expected[theirs[tensor].numpy()].min()
            np.testing.assert_allclose(expected[differing], threshold, rtol=5e-3, atol=5e-6 * largest)


def test_ratios_are_those_of_the_times() -> None:
    timed = Timed.of([2.0, 9.0, 4.0], [1.0, 3.0, 4.0])
    assert (timed.seconds, timed.ratio, timed.low, timed.high, timed.turns) == (4.0, 2.0, 1.0, 3.0, 3)
    calls: list[str] = []
    found = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert found["a"].ratio == 1.0
    beside = Beside("batch", lambda: calls.append("other"), 2)
    assert list(beside) == ["batch"] * 3
    assert calls[6:] == ["other"] * 3
    assert beside.timed().turns == 2


def test_every_benchmark_runs(tiny_shapes: None, tmp_path: Path) -> None:
    assert scoring.time_scoring("MiniLM", 8, 2).keys() > scoring.CASES.keys()
    assert time_training("MiniLM", 8, 1)["deepcuts"].turns == 1
    cut = time_cutting(1)
    assert {"deepcuts, tensor scope", "torch.nn.utils.prune.global_unstructured"} <= cut.keys()
    grown = measure_growth([1, 2], [1, 2], tokens=8)
    pytest.importorskip("matplotlib")
    draw_growth(grown, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").stat().st_size > 1000
