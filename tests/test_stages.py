from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from runs import config, data_config, job

from deepcuts import Strategy, score, stages
from deepcuts.encoding import ScoringBatches
from deepcuts.errors import InputError
from deepcuts.processes import Processes
from deepcuts.seeds import derive_seed
from deepcuts.stages import finetune, prepare, score_strategies, scoring_batches
from deepcuts.store import Store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


def parse(*names: str) -> list[Strategy]:
    return [Strategy.parse(name) for name in names]


def test_scores_of_a_stage_are_those_of_the_function_and_come_from_one_sweep(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job(home, finetune_epochs=1)
    store = Store(tmp_path, Processes())
    dense = finetune(made, store)
    sweeps: list[list[Strategy]] = []
    original = stages.score

    def spy(model: Any, batches: Any, strategies: Any, **kwargs: Any) -> Any:
        sweeps.append(list(strategies))
        return original(model, batches, strategies, **kwargs)

    monkeypatch.setattr(stages, "score", spy)
    wanted = parse("LayerMagGrad", "InvertedGlobalMagGrad", "LayerSmoothGrad", "Random")
    found = score_strategies(made, store, dense, wanted)
    assert [sorted(map(str, sweep)) for sweep in sweeps] == [["LayerMagGrad", "LayerSmoothGrad", "Random"]]
    batches = ScoringBatches(made.task, 4, derive_seed(0, "scoring order"), 1000)
    for strategy in wanted:
        expected = score(made.model, batches, [strategy], seed=0, options=made.config.scoring())[
            str(strategy)
        ]
        assert found[strategy].scores.strategy == strategy
        for name in expected:
            assert torch.equal(found[strategy].scores[name], expected[name])
    # What is missing is all that is done when more is wanted later.
    score_strategies(made, store, dense, [*wanted, *parse("GlobalGradCAM")])
    assert [str(strategy) for strategy in sweeps[-1]] == ["LayerGradCAM"]
    assert len(sweeps) == 2


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
    assert len(scoring_batches(made, parse("LayerMagGrad"))) == 5
    assert len(scoring_batches(made, parse("LayerSmoothGrad"))) == 2
    assert len(scoring_batches(made, parse("LayerSmoothGrad", "LayerGradCAM"))) == 5
    assert len(scoring_batches(made, parse("Random", "LayerMagWeight"))) == 0


def test_a_job_takes_another_cut_and_nothing_else(home: Path) -> None:
    made = job(home)
    assert made.with_config(config(home, density=0.5)).budget.density == 0.5
    with pytest.raises(InputError, match="seed"):
        made.with_config(config(home, seed=1))


def test_an_unreachable_ratio_is_refused_when_the_job_is_prepared(home: Path) -> None:
    wanted = config(home, density=None, compression=50.0)
    with pytest.raises(InputError, match="highest reachable"):
        prepare(wanted, wanted.data.load())
