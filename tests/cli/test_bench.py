"""`deepcuts bench` as a person runs it, on a run that `deepcuts prune` made."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commands import deepcuts
from runs import job

from deepcuts.runs.pipeline import prune


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    prune(job(folder, finetune_epochs=1, retrain_epochs=1), folder / "run")
    return folder / "run"


def test_a_run_is_measured_on_its_own_task(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    done = deepcuts(
        "bench", run, "--only", "dense-fp32", "--shape", "1x8", "--shape", "4x6", "--turns", 3,
        "--threads", 1, "--device", "cpu", "-o", output,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # no bars where there is no terminal
    found = json.loads(output.read_text())
    assert list(tmp_path.iterdir()) == [output]
    assert found["threads"] == 1
    assert [one["name"] for one in found["results"]] == ["dense-fp32"]
    stated = json.loads((run / "result.json").read_text())["retrained"]
    for one in found["results"]:
        assert one["measures"] == pytest.approx(stated)
        assert one["timings"].keys() == {"1x8", "4x6"}
        assert one["bytes"] > 0
        if sys.platform == "linux":  # what libraries take is far more than such a model
            assert 10e6 < one["memory"]["libraries"] < one["memory"]["resident"] <= one["memory"]["peak"]
    assert "4 x 6 tokens" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == found["advice"]
    assert last.startswith("Use ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shape", "8"], "shape: got '8'"),
        (["--turns", "1"], "turns: got 1"),
        (["--output", "{run}/config.json"], "exists already"),
        (["--only", "tensorrt"], "only: got 'tensorrt'"),
    ],
    ids=str,
)
def test_bad_input_is_one_message_and_status_2(run: Path, options: list[str], message: str) -> None:
    done = deepcuts("bench", run, *(option.replace("{run}", str(run)) for option in options))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.startswith("deepcuts: ")
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def test_a_way_of_ones_own_is_measured_beside_the_others(
    run: Path, tmp_path: Path, no_plugins_after: None
) -> None:
    """It is a file outside of the package, which the process that is weighed knows too."""
    output = tmp_path / "bench.json"
    plugin = Path(__file__).parents[1] / "toy_way.py"
    done = deepcuts(
        "--plugin", plugin, "bench", run, "--only", "toy", "--shape", "1x8", "--turns", 3, "--threads", 1,
        "--device", "cpu", "--tolerance", 2, "-o", output,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reference, toy = json.loads(output.read_text())["results"]
    assert (reference["name"], toy["name"]) == ("dense-fp32", "toy")
    assert toy["skipped"] is None
    assert toy["bytes"] < 1000 < reference["bytes"]
    assert toy["measures"].keys() == reference["measures"].keys()
    assert toy["timings"].keys() == {"1x8"}
    assert toy["memory"]["resident"] < reference["memory"]["resident"]  # it needs no torch
    assert toy["notes"] == ["it says the same of every text"]
    assert "a toy: it says the same of every text." in done.stdout
