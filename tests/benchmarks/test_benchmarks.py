"""The benchmarks' plain reference agrees with the package, and each of them runs, on a tiny shape."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from models import tiny, tiny_batches
from runs import tiny_model_folder

from benchmarks import agreement, growth, job, memory, parallel, runtime, scoring, shapes, training
from benchmarks.cutting import time_cutting
from benchmarks.plain import score_plainly
from benchmarks.timing import Beside, Timed, in_turns
from benchmarks.training import time_training
from deepcuts import Budget, ScoringOptions, Strategy, prunable_parameters, score, select
from deepcuts.common.seeds import derive_seed
from deepcuts.scoring import compiled
from deepcuts.scoring.noise import noisy_linear_layers
from deepcuts.scoring.scores import Scores
from deepcuts.scoring.strategy import strategy_names


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
    assert timed.divided(2) == Timed(2.0, 1.0, 0.5, 1.5, 3)
    calls: list[str] = []
    found = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert [sorted(calls[at : at + 2]) for at in (0, 2, 4)] == [["a", "b"]] * 3
    assert found["a"].ratio == 1.0
    assert in_turns({"a": lambda: calls.append("once")}, 1, warm_up=0)["a"].turns == calls.count("once") == 1
    beside = Beside(["first", "second", "third"], calls.append)
    assert list(beside) == calls[7:] == ["first", "second", "third"]
    assert beside.timed().turns == 2
    assert beside.first >= 0


def test_speeds_are_measured_of_every_case(tiny_shapes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(scoring.time_scoring("MiniLM", 8, 2)) == list(scoring.EVERY)
    assert list(scoring.time_scoring("MiniLM", 8, 1, ("GradCAM",))) == ["GradCAM"]
    assert {cases for _, cases in scoring.plan().values()} > {scoring.EVERY}
    assert list(time_training("MiniLM", 8, 1)) == [*training.WAYS, training.GRADIENTS]
    cut = list(time_cutting(1))
    assert cut[:3] == ["numpy.partition", "deepcuts, tensor scope", "deepcuts, global scope"]
    assert cut[-1] == "torch.nn.utils.prune.global_unstructured"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert scoring.paths() == 10
    assert {cases for _, cases in scoring.plan().values()} == {scoring.EVERY}


def test_every_score_of_one_pass_is_in_the_case_of_all() -> None:
    strategies = [Strategy.parse(name) for name in strategy_names()]
    summed = [one for one in strategies if not one.formula.accumulates]
    plain = {str(one) for one in summed if not one.gradient and one.scope == "tensor"}
    assert set(scoring.CASES[scoring.ALL]) == plain


def test_ways_of_training_differ_only_in_what_is_cut(tiny_shapes: None) -> None:
    batch = shapes.batch_of(8)
    with training.steppers("MiniLM", batch, ["dense", training.GRADIENTS]) as steps:
        assert list(steps) == ["dense", training.GRADIENTS]
        for step in steps.values():
            step()


def test_memory_is_compared_with_the_right_thing(tiny_shapes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in (memory.BARE, memory.KEPT, *memory.SCORED):
        assert memory.peak_of_scoring("MiniLM", 8, case) > 0
    assert memory.peak_of_selection("MiniLM") >= 0
    assert memory.peak_of_training("MiniLM", 8, "deepcuts") > 0
    weights = sum(size.numel() for size in shapes.prunable_shapes("MiniLM").values())
    assert weights == sum(v.numel() for v in prunable_parameters(shapes.model_of("MiniLM")).values())
    peaks = {memory.BARE: 10, memory.KEPT: 12, "dense": 20, "selection": 5}

    def measured(what: str, shape: str, tokens: int = 0, case: str = "") -> int:
        return weights * peaks.get(case or what, 30)

    monkeypatch.setattr(memory, "_measured", measured)
    found = memory.measure_memory("MiniLM", 8)
    assert {case: one["per_weight"] for case, one in found["scoring"].items()} == {
        memory.BARE: 0, memory.KEPT: 0,
        "GradCAMShift": 20, "all of one pass": 20, "SmoothGrad, a path": 18,
    }  # fmt: skip
    assert found["scoring"]["all of one pass"]["scores"] == len(scoring.CASES[scoring.ALL])
    assert found["selection"]["global scope"]["per_weight"] == 5
    assert [one["per_weight"] for one in found["training"].values()] == [0, 10, 10]


def test_growth_is_measured_and_drawn(
    tiny_shapes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    growth.print_by_batches([1, 2])
    printed = capsys.readouterr().out
    done = SimpleNamespace(returncode=0, stdout=f"a warning\n{printed}", stderr="")
    monkeypatch.setattr(growth.subprocess, "run", lambda *args, **kwargs: done)
    found = growth.measure_growth([1, 2], [1, 2])
    assert [point["layers"] for point in found["by_layers"]] == [1, 2]
    assert [point["batches"] for point in found["by_batches"]] == [1, 2]
    assert all(point["peak_bytes"] > 1 << 20 for point in found["by_batches"])
    pytest.importorskip("matplotlib")
    growth.draw_growth(found, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").stat().st_size > 1000


def test_a_point_s_distance_from_the_line() -> None:
    points = [{"x": 0, "y": 1.0}, {"x": 5, "y": 7.5}, {"x": 10, "y": 11.0}]
    assert growth.off_the_line(points, "x", "y") == pytest.approx(0.25)  # 7.5 where the line is at 6


def test_a_process_of_several_says_how_long_it_took(
    tiny_shapes: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_PORT", "0")
    parallel._main(2, 8)
    assert json.loads(capsys.readouterr().out)["seconds"] > 0


def test_agreement_of_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "eager")
    model = tiny("bert", num_hidden_layers=1, problem_type="single_label_classification")
    found = agreement.measure_agreement(model, tiny_batches(model))
    assert found["chance"] == pytest.approx(0.147 / (2 - 0.147), rel=0.02)
    assert set(found["compiled"]["kept_iou"]) == set(agreement.STRATEGIES)
    assert min(found["compiled"]["kept_iou"].values()) > 0.98
    assert all(found["chance"] < one < 1 for one in found["bf16"]["kept_iou"].values())
    assert "kept_iou" not in found["float32"]

    def failing(graph: object, inputs: object) -> None:
        raise RuntimeError("nothing that compiles")

    monkeypatch.setattr(compiled, "BACKEND", failing)
    refused = agreement.measure_agreement(model, tiny_batches(model))["compiled"]
    assert list(refused) == ["refused"]


def test_a_job_s_time_is_divided(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path)
    found = job.measure_job(model=str(folder), batch_size=256, score_batches=2, precision="fp32")
    assert all(found[name] > 0 for name in ("forward", "backward", "step"))
    assert 0 < found["other_share"] < 1
    spent = sum(found[name] for name in ("forward", "backward", "step"))
    assert found["other_share"] == pytest.approx(1 - spent / found["total"])
    assert "_stopwatch" not in torch.optim.AdamW.step.__qualname__


@pytest.mark.parametrize("given", ["densities", "masks"])
def test_pruned_models_run_in_turns(tiny_shapes: None, tmp_path: Path, given: str) -> None:
    options: dict[str, Any] = {"density": [0.4, 0.2]}
    if given == "masks":
        model = shapes.model_of("MiniLM")
        masks = select(score(model, [], ["Random"])["Random"], Budget.from_density(0.3))
        masks.save(tmp_path / "masks.safetensors")
        options = {"masks": [tmp_path / "masks.safetensors"], "model": "MiniLM"}
    only = ["dense-bf16", "sparse-fp32"]
    runtime.main(tmp_path / "out" / "runtime.json", shape=["2x3"], threads=[1], turns=3, only=only, **options)
    tables = json.loads((tmp_path / "out" / "runtime.json").read_text())["tables"]
    assert [round(table["density"], 1) for table in tables] == ([0.4, 0.2] if given == "densities" else [0.3])
    for table in tables:
        assert list(table["shapes"]["2x3"]) == ["dense-fp32", *only]
        assert table["shapes"]["2x3"]["dense-fp32"]["times"] == 1
