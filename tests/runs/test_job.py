from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from jobs import requests, steps
from runs import config, data_config, job

from deepcuts import ScoreRequest, score
from deepcuts.common.errors import InputError
from deepcuts.common.processes import Processes
from deepcuts.common.seeds import derive_seed
from deepcuts.common.store import Store
from deepcuts.runs.job import Job
from deepcuts.runs.preparing import prepare
from deepcuts.runs.steps import Run, do_steps
from deepcuts.runs.steps import score as scoring
from deepcuts.runs.steps.score import batches_of, score_all
from deepcuts.runs.steps.step import Trained
from deepcuts.scoring import compiled
from deepcuts.tasks.encoding import ScoringBatches


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


def finetune(made: Job, store: Store) -> Trained:
    """The first step of its recipe."""
    run = Run(made, store)
    do_steps(run, made.steps[:1])
    return run.trained["finetune"]


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[list[ScoreRequest]]:
    """The requests of every sweep that is made from here on."""
    made: list[list[ScoreRequest]] = []
    original = scoring.score_requests

    def spy(model: Any, batches: Any, wanted: Any, **kwargs: Any) -> Any:
        made.append(list(wanted))
        return original(model, batches, wanted, **kwargs)

    monkeypatch.setattr(scoring, "score_requests", spy)
    return made


def test_scores_of_a_stage_are_those_of_the_function_and_come_from_one_sweep(
    home: Path, tmp_path: Path, sweeps: list[list[ScoreRequest]]
) -> None:
    made = job(home, finetune_epochs=1)
    store = Store(tmp_path, Processes())
    dense = finetune(made, store).key
    wanted = requests(made, "LayerMagGrad", "InvertedGlobalMagGrad", "LayerSmoothGrad", "Random")
    score_all(made, store, dense, steps(made, wanted))
    assert [[r.strategy.score for r in sweep] for sweep in sweeps] == [["MagGrad", "SmoothGrad", "Random"]]
    batches = ScoringBatches(made.task, 4, derive_seed(0, "scoring order"), 1000)
    for request in wanted:
        run = Run(made, store)
        steps(made, [request])[0].do(run, dense)
        found = run.scored[-1].scores
        expected = score(made.model, batches, [request.strategy], seed=0, options=request.options)[
            str(request.strategy)
        ]
        assert found.strategy == request.strategy
        for name in expected:
            assert torch.equal(found[name], expected[name])
    # What is missing is all that is done when more is wanted later.
    score_all(made, store, dense, steps(made, [*wanted, *requests(made, "GlobalGradCAM")]))
    assert [str(request.strategy) for request in sweeps[-1]] == ["GlobalGradCAM"]
    assert len(sweeps) == 2


def test_options_side_by_side_cost_one_sweep_and_equal_ones_are_scored_once(
    home: Path, tmp_path: Path, sweeps: list[list[ScoreRequest]]
) -> None:
    made = job(home, finetune_epochs=1)
    store = Store(tmp_path, Processes())
    dense = finetune(made, store).key
    shifts = [
        request for shift in (0.0, 1.0, 100.0) for request in requests(made, "LayerGradCAMShift", shift=shift)
    ]
    blind = [request for shift in (0.0, 1.0) for request in requests(made, "LayerMagGrad", shift=shift)]
    score_all(made, store, dense, steps(made, [*shifts, *blind]))
    assert sweeps == [[*shifts, blind[0]]]


def test_a_reused_dense_model_is_the_same_bit_for_bit(home: Path, tmp_path: Path) -> None:
    made = job(home)
    first = finetune(made, Store(tmp_path, Processes()))
    expected = {name: value.detach().clone() for name, value in made.model.named_parameters()}
    again = job(home)
    assert finetune(again, Store(tmp_path, Processes())) == first
    for name, value in again.model.named_parameters():
        assert torch.equal(value, expected[name])


@pytest.mark.parametrize("change", ["seed", "learning_rate", "data", "batch_size"])
def test_a_change_that_matters_makes_another_dense_model(home: Path, tmp_path: Path, change: str) -> None:
    first = finetune(job(home, finetune_epochs=1), Store(tmp_path, Processes()))
    changed: dict[str, Any] = {"seed": 5, "learning_rate": 3e-3, "batch_size": 6}
    if change == "data":
        (tmp_path / "data").mkdir()
        other = job(home, data_config(tmp_path / "data", train=23), finetune_epochs=1)
    else:
        other = job(home, finetune_epochs=1, **{change: changed[change]})
    assert finetune(other, Store(tmp_path, Processes())).key != first.key


def test_what_comes_after_the_dense_model_does_not_change_it(home: Path, tmp_path: Path) -> None:
    first = finetune(job(home, finetune_epochs=1), Store(tmp_path, Processes()))
    other = job(home, finetune_epochs=1, retrain_epochs=7, strategy="Random", shift=3.0, density=0.9)
    assert finetune(other, Store(tmp_path, Processes())).key == first.key


def test_batches_are_as_many_as_the_strategies_read(home: Path) -> None:
    made = job(home, score_batches=5, smooth_batches=2)

    def count(*names: str) -> int:
        return len(batches_of(made, steps(made, requests(made, *names))))

    assert count("LayerMagGrad") == 5
    assert count("LayerSmoothGrad") == 2
    assert count("LayerSmoothGrad", "LayerGradCAM") == 5
    assert count("Random", "LayerMagWeight") == 0


def test_a_job_takes_another_cut_and_nothing_else(home: Path) -> None:
    made = job(home)
    assert made.with_config(config(home, density=0.5)).budget.density == 0.5
    with pytest.raises(InputError, match="seed"):
        made.with_config(config(home, seed=1))


def test_an_unreachable_ratio_is_refused_when_the_job_is_prepared(home: Path) -> None:
    wanted = config(home, density=None, compression=50.0)
    with pytest.raises(InputError, match="highest reachable"):
        prepare(wanted, wanted.data.load())


def test_scores_that_can_t_be_compiled_are_refused_when_the_job_is_prepared(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(compiled, "BACKEND", failing)
    compiled._check_compiler.cache_clear()
    made = job(home, score_compile=True, strategy="LayerSmoothGrad")  # which compiles nothing
    with pytest.raises(InputError, match=r"^compile: .*no compiler"):
        made.with_config(config(home, score_compile=True))
    with pytest.raises(InputError, match=r"^compile: .*no compiler"):
        job(home, score_compile=True)
