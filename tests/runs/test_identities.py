"""Identities of stages: told apart by what they depend on, and by nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from jobs import requests, steps
from runs import config, job

from deepcuts import ScoreRequest
from deepcuts.runs import legacy
from deepcuts.runs.grid.worklist import cell_identity
from deepcuts.runs.job import Job
from deepcuts.runs.steps.step import key_at_start
from deepcuts.scoring import compiled


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


def identity(made: Job, request: ScoreRequest) -> str:
    return steps(made, [request])[0].identity(made, "dense").key


CHANGES: dict[str, Any] = {
    "shift": 3.0,
    "noise_std": 0.3,
    "paths": 3,
    "dropout": True,
    "precision": "bf16",
    "padding": True,
    "max_batches": 2,
    "max_smooth_batches": 2,
}


READ = {
    "Random": set(),
    "LayerMagWeight": set(),
    "LayerMagGrad": {"dropout", "precision", "max_batches"},
    "LayerSmoothGrad": {"dropout", "precision", "max_smooth_batches", "noise_std", "paths"},
    "LayerGradCAM": {"dropout", "precision", "max_batches", "padding"},
    "LayerGradCAMShift": {"dropout", "precision", "max_batches", "padding", "shift"},
    "LayerSmoothGradCAMShift": {
        "dropout",
        "precision",
        "max_smooth_batches",
        "noise_std",
        "padding",
        "paths",
        "shift",
    },
}


@pytest.mark.parametrize("name", READ)
def test_only_an_option_that_a_score_reads_makes_it_anew(home: Path, name: str) -> None:
    made = job(home)
    (request,) = requests(made, name)
    before = identity(made, request)
    differing = {
        option
        for option, value in CHANGES.items()
        if identity(made, requests(made, name, **{option: value})[0]) != before
    }
    assert differing == READ[name]


def test_the_batch_size_of_scoring_counts_where_data_is_read(home: Path) -> None:
    first, other = job(home), job(home, score_batch_size=5)
    for name, same in {"LayerMagGrad": False, "LayerMagWeight": True, "Random": True}.items():
        identities = [identity(made, requests(made, name)[0]) for made in (first, other)]
        assert (identities[0] == identities[1]) is same


CUT_CHANGES: dict[str, dict[str, Any]] = {
    "density": {"density": 0.5},
    "seed": {"seed": 1},
    "strategy": {"strategy": "LayerMagGrad"},
    "inversion": {"strategy": "InvertedLayerGradCAMShift"},
    "scope": {"scope": "global"},
    "rewind": {"rewind": "finetuned"},
    "an option that it reads": {"shift": 1.0},
    "fine-tuning": {"learning_rate": 3e-3, "retrain_learning_rate": 1e-2},
    "retraining": {"retrain_epochs": 3},
}


@pytest.mark.parametrize("changes", CUT_CHANGES.values(), ids=CUT_CHANGES)
def test_a_cut_is_told_apart_by_what_it_depends_on(home: Path, changes: dict[str, Any]) -> None:
    assert cell_identity(job(home, **changes)).key != cell_identity(job(home)).key


@pytest.mark.parametrize(
    "changes",
    [{"noise_std": 0.5}, {"smooth_batches": 3}, {"scope": "tensor"}, {"density": None, "sparsity": 0.7}],
    ids=str,
)
def test_a_cut_is_not_told_apart_by_what_it_does_not_depend_on(home: Path, changes: dict[str, Any]) -> None:
    assert cell_identity(job(home, **changes)).key == cell_identity(job(home)).key


def test_a_compiled_score_is_another_score_only_where_a_pass_is_compiled(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "eager")
    compiled._check_compiler.cache_clear()
    plain, fast = job(home), job(home, score_compile=True)
    for name, same in {"LayerMagGrad": False, "LayerSmoothGradCAM": False, "LayerSmoothGrad": True}.items():
        first, second = (identity(made, requests(made, name)[0]) for made in (plain, fast))
        assert (first == second) is same


@pytest.mark.parametrize(
    ("changes", "same"),
    [({}, True), ({"hidden_dropout_prob": 0.5}, False), ({"hidden_act": "relu"}, False)],
    ids=str,
)
def test_the_models_configuration_tells_dense_models_apart(
    tmp_path: Path, changes: dict[str, Any], same: bool
) -> None:
    first = job(tmp_path)
    path = tmp_path / "model" / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes, "transformers_version": "5.0.0"}))
    other = job(tmp_path)
    assert other.start_digest == first.start_digest
    keys = [one.steps[0].identity(one, key_at_start(one)).key for one in (first, other)]
    assert (keys[0] == keys[1]) is same
    assert (cell_identity(first).key == cell_identity(other).key) is same


@pytest.mark.parametrize(
    ("module", "version", "same"),
    [("torch", "2.4.7+cu1", True), ("torch", "2.5.0", False), ("transformers", "5.1.0", False)],
)
def test_minor_versions_tell_what_is_computed_apart(
    home: Path, monkeypatch: pytest.MonkeyPatch, module: str, version: str, same: bool
) -> None:
    import transformers

    made = job(home)
    monkeypatch.setattr(torch, "__version__", "2.4.1")
    monkeypatch.setattr(transformers, "__version__", "5.0.3")
    (random, gradient) = requests(made, "Random", "LayerMagGrad")
    keys = [identity(made, random), identity(made, gradient), cell_identity(made).key]
    monkeypatch.setattr({"torch": torch, "transformers": transformers}[module], "__version__", version)
    after = [identity(made, random), identity(made, gradient), cell_identity(made).key]
    assert after[0] == keys[0]  # of the same dense model, random scores are the same everywhere
    assert [one == other for one, other in zip(keys[1:], after[1:], strict=True)] == [same, same]


def test_an_identity_leaves_out_what_is_at_its_default(home: Path) -> None:
    content = job(home).steps[0].identity(job(home), "start").content
    assert content["plan"] == {"epochs": 2, "learning_rate": 0.01, "batch_size": 8}
    made = job(home, clip=0.5)
    assert made.steps[0].identity(made, "start").content["plan"]["clip"] == 0.5
    (request,) = requests(job(home), "LayerGradCAMShift")
    assert steps(job(home), [request])[0].identity(job(home), "").content["options"] == {"max_batches": 1000}


def test_a_younger_option_at_its_default_finds_what_version_0_1_made_and_another_value_does_not(
    home: Path,
) -> None:
    known = job(home).steps[0].identity(job(home), "start")
    assert known.former is not None
    assert set(known.former["plan"]) == set(legacy._PLAN)
    summed = job(home, accumulation=2)  # whose gradients version 0.1 added up
    assert summed.steps[0].identity(summed, "start").former is None
    assert cell_identity(summed).former is None
    rounded = job(home, score_precision="bf16")
    assert cell_identity(rounded).former is None
    assert cell_identity(job(home, score_precision="bf16", strategy="LayerMagGrad")).former is not None
