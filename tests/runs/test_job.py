from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import config, data_config, job

from deepcuts import ScoreRequest, Strategy, score
from deepcuts.common.errors import InputError
from deepcuts.common.processes import Processes
from deepcuts.common.seeds import derive_seed
from deepcuts.common.store import Store
from deepcuts.runs import legacy
from deepcuts.runs.grid.worklist import cell_identity
from deepcuts.runs.job import Job
from deepcuts.runs.preparing import prepare
from deepcuts.runs.steps import Run, Score, do_steps
from deepcuts.runs.steps import score as scoring
from deepcuts.runs.steps.score import batches_of, score_all
from deepcuts.runs.steps.step import Trained, key_at_start
from deepcuts.scoring import compiled
from deepcuts.tasks.encoding import ScoringBatches


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    config(folder)
    return folder


def parse(*names: str) -> list[Strategy]:
    return [Strategy.parse(name) for name in names]


def requests(made: Job, *names: str, **changes: Any) -> list[ScoreRequest]:
    options = made.config.scoring().replace(**changes)
    return [ScoreRequest(strategy, options) for strategy in parse(*names)]


def finetune(made: Job, store: Store) -> Trained:
    """The first step of its recipe."""
    run = Run(made, store)
    do_steps(run, made.steps[:1])
    return run.trained["finetune"]


def steps(made: Job, wanted: list[ScoreRequest]) -> list[Score]:
    return [Score(request, made.config.score_batch_size, is_shared=True) for request in wanted]


def identity(made: Job, request: ScoreRequest) -> str:
    return steps(made, [request])[0].identity(made, "dense").key


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
