"""The page on performance says what a file of measurements holds, and whether each goal is met."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.goals import Goal, goals
from benchmarks.page import main, render


def timed(ratio: float, turns: int = 3, seconds: float = 2.0) -> dict[str, float]:
    return {"seconds": seconds, "ratio": ratio, "low": ratio - 0.01, "high": ratio + 0.02, "turns": turns}


def bytes_of(per_weight: float, **more: float) -> dict[str, float]:
    return {"bytes": 3 << 20, "per_weight": per_weight, **more}


OVERLAPS = {"LayerMagGrad": 0.97, "LayerGradCAM": 0.91}
FOUND: dict[str, Any] = {
    "environment": {
        "deepcuts": "0.1.0",
        "commit": "0123456789abcdef",
        "dirty": True,
        "python": "3.11.2",
        "packages": {"torch": "2.13.0", "transformers": "5.20.0", "numpy": "2.3.0"},
        "platform": "Linux-6",
        "processor": "A processor",
        "threads": 2,
        "device": "cpu",
    },
    "seconds": {"scoring": 90.0, "cutting": 30.0},
    "scoring": {
        "MiniLM, 32 tokens": {
            "MagGrad": timed(1.02),
            "GradCAMShift": timed(1.10),
            "all of one pass": timed(1.26),
            "SmoothGrad, a path": timed(1.04, turns=1),
        },
        "BERT-base, 128 tokens": {"GradCAMShift": timed(1.5), "SmoothGrad, a path": timed(1.06)},
    },
    "agreement": {
        "MiniLM": {
            "chance": 0.0793,
            "float32": {**timed(1.1), "first_batch": 0.25},
            "bf16": {**timed(0.6), "first_batch": 0.2, "kept_iou": OVERLAPS},
            "compiled": {"refused": "no compiler"},
        }
    },
    "memory": {
        "shape": "BERT-base, 32 tokens",
        "scoring": {
            "bare pass": bytes_of(0, scores=0),
            "GradCAMShift": bytes_of(1.5, scores=1),
            "all of one pass": bytes_of(24.5, scores=6),
            "SmoothGrad, a path": bytes_of(3.9, scores=1),
        },
        "selection": {"global scope": bytes_of(4.9)},
        "training": {"dense": bytes_of(0), "deepcuts": bytes_of(1.1), "torch.nn.utils.prune": bytes_of(8)},
    },
    "cutting": {
        "85.6 M scores": {
            "numpy.partition": timed(1.0, seconds=0.9),
            "deepcuts, tensor scope": timed(0.9, seconds=0.8),
            "deepcuts, global scope": timed(1.6, seconds=1.5),
            "torch.nn.utils.prune.global_unstructured": timed(30, turns=1, seconds=27.0),
        }
    },
    "training": {
        "MiniLM, 32 tokens": {"dense": timed(1.0), "deepcuts": timed(1.2)},
        "BERT-base, 32 tokens": {"dense": timed(1.0), "deepcuts": timed(1.03)},
    },
    "growth": {
        "by_layers": [{"layers": n, "seconds_a_batch": n / 10} for n in (2, 12, 24)],
        "by_batches": [
            {"batches": 10, "seconds": 1.0, "peak_bytes": 100 << 20},
            {"batches": 505, "seconds": 60.6, "peak_bytes": 100 << 20},
            {"batches": 1000, "seconds": 100.0, "peak_bytes": 101 << 20},
        ],
        "parallel": {"one_process": 4.0, "two_processes": 2.4, "ratio": 0.6, "batches": 40},
    },
    "job": {
        "what": "MiniLM on minimal pairs",
        "total": 60.0,
        "forward": 20.0,
        "backward": 30.0,
        "step": 5.0,
        "other_share": 5 / 60,
        "start": {"help": 0.4, "first line": 3.01, "loaded": 5.0},
    },
}
MISSED = {
    "scoring: all scores of one pass, MiniLM, 32 tokens",
    "scoring: SmoothGrad, a path, BERT-base, 128 tokens",
    "memory: all of one pass, beyond a bare pass",
    "cutting: deepcuts, global scope, beside numpy.partition",
    "cutting: times faster than torch.nn.utils.prune.global_unstructured",
    "start: first line of deepcuts prune",
    "growth: off the straight line, 10 to 1,000 batches",
}


def test_a_goal_is_met_by_the_number_as_measured() -> None:
    assert Goal("x", "", 1.1, 1.1).is_met
    assert not Goal("x", "", 1.1, 1.1004).is_met
    assert Goal("x", "", 20, 20.0, at_least=True).is_met
    assert not Goal("x", "", 20, 19.99, at_least=True).is_met


def test_goals_are_met_or_not_by_the_numbers() -> None:
    found = goals(FOUND, on_gpu=False)
    assert {goal.what for goal in found if not goal.is_met} == MISSED
    values = {goal.what: goal.value for goal in found}
    assert len(values) == len(found) == 20
    assert values["growth: off the straight line, 10 to 1,000 batches"] == pytest.approx(20.0, rel=0.01)
    assert values["growth: more memory, 10 to 1,000 batches"] == pytest.approx(1.0)
    assert values["cutting: times faster than torch.nn.utils.prune.global_unstructured"] == 18.0


def test_a_gpu_has_other_goals() -> None:
    smooth = [goal for goal in goals(FOUND, on_gpu=True) if goal.what.startswith("scoring: Smooth")]
    assert [(goal.what, goal.limit) for goal in smooth] == [
        ("scoring: SmoothGrad, a path, MiniLM, 32 tokens", 0.35)
    ]
    assert not any("numpy.partition" in goal.what for goal in goals(FOUND, on_gpu=True))


def test_the_page_says_what_was_measured_and_what_was_not() -> None:
    page = render(FOUND, picture="performance/growth.svg")
    assert "13 of 20 goals are met on the processor. Not met: " in page
    lines = page.splitlines()
    for goal in goals(FOUND, on_gpu=False):
        (line,) = [line for line in lines if line.startswith(f"| {goal.what} | ")]
        assert ("**not met**" in line) == (goal.what in MISSED)
        assert line.endswith("| not measured |")
    assert "| GradCAMShift | 1.10 (1.09–1.12) | 1.50 (1.49–1.52) |" in page
    assert "| SmoothGrad, a path | 1.04 (once) | 1.06 (1.05–1.08) |" in page
    assert "| MagGrad | 1.02 (1.01–1.04) | – |" in page
    assert "| bf16 | 0.60 (0.59–0.62) | 200 ms | 0.9700 | 0.9100 |" in page
    assert "| compiled | no compiler | – | – | – |" in page
    assert "A processor, 2 threads; Linux-6; Python 3.11.2, torch 2.13.0" in page
    assert "commit 0123456789 with changes" in page
    assert "GPU: not measured" in page
    assert "| scoring: bare pass | 3 | – |" in page
    assert "| scoring: GradCAMShift | 3 | 1.5 beyond a bare pass |" in page
    assert "| training: dense | 3 | – |" in page
    assert "| training: deepcuts | 3 | 1.1 beyond dense training |" in page
    assert "](performance/growth.svg)" in page
    assert "This run took 2.0 minutes (scoring 90 s; cutting 30 s)." in page
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|"), line


def test_a_part_that_was_not_measured_is_said_to_be_missing() -> None:
    page = render({"environment": FOUND["environment"], "training": FOUND["training"]})
    assert "1 of 1 goals are met on the processor." in page
    assert page.count("On a processor: not measured.") == 6
    assert "growth.svg" not in page


def test_the_page_takes_a_gpu_s_numbers_from_beside(tmp_path: Path) -> None:
    gpu = copy.deepcopy(FOUND)
    gpu["environment"]["device"] = "A GPU"
    gpu["scoring"]["MiniLM, 32 tokens"]["SmoothGrad, a path"]["ratio"] = 0.2
    results = tmp_path / "results"
    results.mkdir()
    (results / "cpu.json").write_text(json.dumps(FOUND))
    (results / "gpu.json").write_text(json.dumps(gpu))
    (results / "cpu-growth.svg").write_text("<svg/>")
    (results / "remarks.md").write_text("Why one was missed.\n")
    main(results / "cpu.json", tmp_path / "docs" / "performance.md")
    page = (tmp_path / "docs" / "performance.md").read_text()
    assert (tmp_path / "docs" / "performance" / "growth.svg").read_text() == "<svg/>"
    assert "GPU: A GPU." in page
    assert "\n\nWhy one was missed.\n\n" in page
    assert "| 1.040 | met | 0.200, goal ≤ 0.35: met |" in page
