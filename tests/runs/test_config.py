from __future__ import annotations

import pickle
from typing import Any

import pytest

from deepcuts.common.errors import InputError
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.data import DataConfig
from deepcuts.tasks import named_tasks

GOOD: dict[str, Any] = {
    "model": "minilm", "data": DataConfig(task="stsb"), "strategy": "Cam-Cut", "density": 0.147,
}  # fmt: skip


def make(task: str = "stsb", **changes: Any) -> PruneConfig:
    return PruneConfig.make(named_tasks()[task], **{**GOOD, **changes})


@pytest.mark.parametrize(
    ("task", "epochs", "rate"), [("sst2", (3, 8), 1e-5), ("cola", (5, 12), 1e-5), ("stsb", (8, 10), 2e-5)]
)
def test_the_defaults_are_the_schedules_and_options_of_the_paper(
    task: str, epochs: tuple[int, int], rate: float
) -> None:
    config = make(task)
    assert (config.finetune_epochs, config.retrain_epochs) == epochs
    assert (config.finetuning().learning_rate, config.retraining().learning_rate) == (rate, rate)
    assert config.batch_size == config.score_batch_size == 16
    assert config.rewind == "pretrained"
    options = config.scoring()
    assert (options.shift, options.noise_std, options.paths) == (10.0, 0.1, 10)
    assert (options.dropout, options.padding) == (False, False)
    assert (options.max_batches, options.max_smooth_batches) == (1000, 100)


def test_what_is_given_comes_before_the_schedule_and_retraining_follows_the_first_rate() -> None:
    config = make(learning_rate=3e-4, retrain_epochs=0, batch_size=None)
    assert config.retraining().learning_rate == 3e-4
    assert config.retraining().epochs == 0
    assert config.batch_size == 16
    assert make(learning_rate=3e-4, retrain_learning_rate=1e-5).retraining().learning_rate == 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "LayerMagick"}, "strategy: got 'LayerMagick'"),
        ({"density": None}, "exactly one of"),
        ({"sparsity": 0.5}, "exactly one of"),
        ({"density": None, "compression": float("nan")}, "compression: got nan"),
        ({"finetune_epochs": -1}, "finetune_epochs: got -1"),
        ({"finetune_epochs": 1.5}, "finetune_epochs: got 1.5"),
        ({"accumulation": 0}, "accumulation: got 0"),
        ({"learning_rate": float("nan")}, "learning_rate: got nan"),
        ({"weight_decay": -1}, "weight_decay: got -1"),
        ({"clip": float("inf")}, "clip: got inf"),
        ({"warmup": 1.0}, "warmup: got 1.0"),
        ({"betas": (0.9, 1.0)}, "betas: got"),
        ({"patience": 0}, "patience: got 0"),
        ({"decay": "cosine"}, "decay: got 'cosine'"),
        ({"smooth_batches": 0}, "smooth_batches: got 0"),
        ({"shift": float("inf")}, "shift: got inf"),
        ({"epoch": 3}, "epoch: got 3"),
        ({"scope": "column"}, "scope: got 'column'"),
        ({"recipe": "papers"}, "recipe: got 'papers'.* paper"),
    ],
    ids=str,
)
def test_a_value_that_is_not_allowed_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


def test_a_saved_configuration_differs_from_another_in_named_fields_only() -> None:
    config = make()
    assert PruneConfig.read(config.model_dump(mode="json")) == config
    assert config.differences(config.model_dump(mode="json")) == {}
    other = make(density=0.36, seed=1)
    assert other.differences(config.model_dump(mode="json")) == {"density": (0.147, 0.36), "seed": (0, 1)}


def test_a_field_that_is_younger_than_a_saved_configuration_was_at_its_default() -> None:
    old = make().model_dump(mode="json")
    for name in ("paths", "betas", "recipe", "seed"):
        del old[name]
    assert make().differences(old) == {}
    assert make(paths=3, betas=(0.5, 0.9)).differences(old) == {
        "betas": ((0.9, 0.999), [0.5, 0.9]),
        "paths": (10, 3),
    }


def test_a_saved_field_that_nothing_reads_now_differs_unless_it_is_not_set() -> None:
    saved = make().model_dump(mode="json")
    assert make().differences({**saved, "magic": None}) == {}
    assert make().differences({**saved, "magic": 1}) == {"magic": (1, None)}


def test_a_configuration_goes_to_another_process_as_it_is() -> None:
    config = make(betas=(0.5, 0.9), prunable=["*.weight"])
    found = pickle.loads(pickle.dumps(config))
    assert found == config
    assert type(found) is type(config)


@pytest.mark.parametrize(("seed", "right"), [(0, True), (2**32 - 1, True), (-1, False), (2**32, False)])
def test_a_seed_is_one_that_every_generator_takes(seed: int, right: bool) -> None:
    if right:
        assert make(seed=seed).seed == seed
    else:
        with pytest.raises(InputError, match=f"seed: got {seed}, but it must be .* 0 or more, 4294967295 at"):
            make(seed=seed)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "name a task"),
        ({"task": "sst2", "train": "x.csv"}, "take its place"),
        ({"task": "sst2", "kind": "regression"}, "has its own"),
        ({"train": "x.csv", "data": "glue"}, "known by its name"),
        ({"train": "x.csv"}, "need --dev"),
        ({"train": "x.csv", "dev": "y.csv", "text": ("t",)}, "--label"),
    ],
    ids=str,
)
def test_a_task_is_named_or_own_files_are_but_not_both(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DataConfig.make(given).load()


def test_a_budget_may_be_given_as_density_sparsity_or_compression() -> None:
    assert float(make().budget(100, 50).density) == 0.147
    assert float(make(density=None, sparsity=0.75).budget(100, 50).density) == 0.25
    assert float(make(density=None, compression=1.6).budget(100, 50).density) == 0.24  # round(62.5) - 50 = 12
