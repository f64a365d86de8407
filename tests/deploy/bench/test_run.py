"""The whole bench, in this process, on a tiny run with a bounded head and on a classifier."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pruned_models import pruned_run
from runs import data_config

from deepcuts import load_pruned
from deepcuts.cli.bench_tables import print_bench
from deepcuts.common.errors import DeepcutsError, InputError, ModelError
from deepcuts.deploy.bench import run as run_module
from deepcuts.deploy.bench.results import Bench
from deepcuts.deploy.bench.run import BenchOptions, bench
from deepcuts.deploy.bench.shape import Shape
from deepcuts.deploy.bench.ways import REFERENCE, REGISTRY, Batch, Runner, Setting
from deepcuts.deploy.runtime import choices
from deepcuts.tasks import TaskData
from deepcuts.tasks.encoding import encode
from deepcuts.training.evaluation import evaluate

TINY = {"shapes": [Shape(1, 8), Shape(2, 5)], "turns": 3, "threads": 1, "memory": False, "device": "cpu"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    pruned_run(folder / "run")
    return folder


@pytest.fixture(scope="module")
def data(home: Path) -> TaskData:
    return data_config(home).load()


def torch_only(**changes: Any) -> BenchOptions:
    return BenchOptions(**{**TINY, "only": ["dense-bf16", "sparse-fp32"], **changes})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Batch], np.ndarray]], None]:
    """Let ``sparse-fp32`` be computed by something else."""

    def put(compute: Callable[[Batch], np.ndarray]) -> None:
        def load(folder: Path, setting: Setting) -> Runner:
            return Runner(compute)

        monkeypatch.setitem(REGISTRY, "sparse-fp32", replace(REGISTRY["sparse-fp32"], load=load))

    return put


def by_name(found: Bench) -> dict[str, Any]:
    return {result.name: result for result in found.results}


def test_everything_is_measured(home: Path, data: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "break_even", lambda *_: 1.0)
    threads = torch.get_num_threads()
    found = bench(str(home / "run"), data, options=torch_only())
    assert [one.name for one in found.results] == [REFERENCE, "dense-bf16", "sparse-fp32"]
    model, tokenizer = load_pruned(home / "run")
    expected = evaluate(model, encode(data, tokenizer, model, 128))
    for one in found.results:
        assert one.skipped is None
        assert one.fault is None
        assert one.measures is not None
        assert list(one.timings) == TINY["shapes"]
        assert all(0 < time.low <= time.median <= time.high for time in one.timings.values())
    sparse = by_name(found)["sparse-fp32"]
    assert by_name(found)[REFERENCE].measures == expected
    assert sparse.measures == pytest.approx(expected)
    assert 0 < sparse.difference < 1e-4
    assert (found.task, found.rows, found.primary) == (data.task.name, 12, data.task.primary)
    assert found.facts["density"] == pytest.approx(0.3, abs=0.2)
    assert found.advice.startswith("Use ")
    assert "dense" in found.advice
    assert torch.get_num_threads() == threads
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert told["results"][2]["timings"]["2x5"]["turns"] == 3
    decided = told["results"][2]["choices"]
    assert decided["sparse"] > decided["dense"] == 0
    assert set(decided["break_even"].values()) == {1.0}
    assert decided["measured"]
    assert told["results"][0]["choices"] is None


def test_a_fast_but_wrong_way_shows(
    home: Path, data: TaskData, fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says the same of every text, so its correlation is 0, and it takes no time."""
    fake(lambda batch: np.zeros((len(batch["input_ids"]), 2), dtype=np.float32))
    wanted = data_that_the_model_gets_right(home, data)
    found = bench(str(home / "run"), wanted, options=torch_only())
    wrong = by_name(found)["sparse-fp32"]
    assert wrong.fault.startswith(f"its {data.task.primary} on dev is ")
    assert len(wrong.timings) == 2
    assert not found.advice.startswith("Use sparse")
    assert "no sparse way may be used" in found.advice
    print_bench("run", found)
    out = capsys.readouterr().out
    assert "sparse fp32 (wrong)" in out
    assert f"sparse fp32: not to be used: {wrong.fault}." in out
    assert out.rstrip().endswith(found.advice)


def data_that_the_model_gets_right(home: Path, data: TaskData) -> TaskData:
    """The dev rows with the model's own answers as labels, so that the reference is perfect."""
    from deepcuts.training.evaluation import predict

    model, tokenizer = load_pruned(home / "run")
    with torch.no_grad():  # both classes must occur
        logits = predict(model, encode(data, tokenizer, model, 128))
        scores = logits[:, 1] - logits[:, 0]
        model.classifier.bias += torch.tensor([float(scores.median()) + 1e-6, 0.0])
    model.save_pretrained(home / "run" / "model")
    answers = predict(model, encode(data, tokenizer, model, 128)).argmax(1).tolist()
    assert len(set(answers)) == 2
    return replace(data, dev=replace(data.dev, targets=tuple(answers)))


def test_outputs_that_are_not_finite_are_a_fault(home: Path, data: TaskData, fake: Any) -> None:
    fake(lambda batch: np.full((len(batch["input_ids"]), 2), np.nan, dtype=np.float32))
    found = bench(str(home / "run"), data, options=torch_only())
    result = by_name(found)["sparse-fp32"]
    assert (result.fault, result.measures, result.difference) == ("its outputs are not finite", None, None)
    json.dumps(found.as_json(), allow_nan=False)


def test_a_model_that_says_nothing_finite_is_refused(home: Path, tmp_path: Path) -> None:
    model, tokenizer = load_pruned(home / "run")
    with torch.no_grad():
        model.classifier.bias.fill_(torch.nan)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(DeepcutsError, match="outputs are not finite"):
        bench(str(tmp_path), options=torch_only())


def test_what_fails_is_told_and_the_others_go_on(
    home: Path, fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(batch: Batch) -> np.ndarray:
        raise RuntimeError("out of luck\nsecond line")

    fake(fail)
    found = bench(str(home / "run"), options=torch_only())
    assert by_name(found)["sparse-fp32"].skipped == "out of luck"
    assert by_name(found)["dense-bf16"].timings
    print_bench("run", found)
    out = capsys.readouterr().out
    assert "sparse fp32: not run: out of luck." in out
    assert "Nothing was measured on dev: name a task" in out
    assert "nothing was measured on dev" in found.advice


def test_memory_that_cannot_be_measured_is_noted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DeepcutsError("its process failed: killed")

    monkeypatch.setattr(run_module, "measure_memory", fail)
    found = bench(str(home / "run"), options=torch_only(memory=True, only=[REFERENCE]))
    assert found.results[0].notes == ["memory not measured: its process failed: killed"]
    assert found.results[0].memory is None


def test_a_task_of_other_outputs_is_refused(home: Path, tmp_path: Path) -> None:
    other = data_config(tmp_path, regression=True).load()
    with pytest.raises(ModelError, match="2 outputs"):
        bench(str(home / "run"), other, options=torch_only())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"turns": 2}, "turns: got 2"),
        ({"threads": 0}, "threads: got 0"),
        ({"device": "tpu"}, "device: got 'tpu'"),
        ({"tolerance": -1.0}, "tolerance: got -1"),
        ({"tolerance": float("nan")}, "tolerance: got nan"),
    ],
    ids=str,
)
def test_options_that_are_not_allowed_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        torch_only(**changes)


def test_a_shape_that_the_model_does_not_take_is_refused(home: Path) -> None:
    with pytest.raises(InputError, match="shape: got '1x9999', but this model takes 24 tokens at most"):
        bench(str(home / "run"), options=torch_only(shapes=[Shape(1, 9999)]))


def test_without_a_gpu_none_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device: got 'cuda', but PyTorch finds no GPU"):
        torch_only(device="cuda")
    assert torch_only(device="auto").setting().device == "cpu"
