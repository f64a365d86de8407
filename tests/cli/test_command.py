"""What holds for the arguments of every subcommand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commands import deepcuts
from pruned_models import pruned_run

from deepcuts import cli


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["prune", "--model", "m", "-o", ""], "output"),
        (["prune", "--model", "m", "-o", "run", "--shared", ""], "shared"),
        (["prune", "--model=", "-o", "run"], "model"),
        (["evaluate", "run", "--dev", ""], "dev"),
        (["evaluate", "run", "--data="], "data"),
        (["grid", "file.yaml", "--store="], "store"),
        (["grid", ""], "file"),
        (["export", "run", "-o", "out", "--masks", ""], "masks"),
        (["predict", "run", "", "--file", ""], "file"),
        (["predict", ""], "model"),
        (["inspect", ""], "path"),
        (["report", "", "-o", "out"], "store"),
        (["compare", "a", ""], "paths"),
        (["demo", "-o", ""], "output"),
        (["bench", "run", "--text", ""], "text"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_an_empty_option_or_path_is_refused(
    arguments: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = deepcuts(*arguments)
    assert (done.returncode, done.stderr) == (2, f"deepcuts: {name}: got '', but it must not be empty\n")
    assert not list(tmp_path.iterdir())


def test_an_argument_that_is_no_text_is_refused() -> None:
    done = deepcuts("inspect", "caf\udce9")
    assert done.returncode == 2
    assert done.stderr == "deepcuts: argument 2: got 'caf\\udce9', but it must be valid UTF-8 text\n"


def test_a_name_in_an_error_does_not_act_on_the_terminal(tmp_path: Path) -> None:
    done = deepcuts("inspect", tmp_path / "\x1b[31m[/b]")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\\x1b[31m[/b]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grid", "g.yaml", "--gpus", 1], "gpus: got 1.0, but it is for --executor ray"),
        (["grid", "g.yaml", "--address", "auto"], "address: got 'auto', but it is for --executor ray"),
        (["grid", "g.yaml", "--executor", "ray", "--jobs", 1], "jobs: got 1, but it is for --executor local"),
        (["compare", "a", "b", "--format", "csv"], "deepcuts: format: got 'csv', but it is of the tables"),
        (["compare", "a", "b", "--heads", 2], "heads: got 2, but it is for --by head"),
        (["compare", "a", "./a"], "each is compared once"),
        (["bench", "nowhere", "--tolerance", 0.1], "tolerance: got 0.1, but nothing is measured on dev"),
        (["bench", "nowhere", "--no-measure", "--task", "sst2"], "task: got 'sst2', but with --no-measure"),
        (
            ["bench", "nowhere", "--no-measure", "--max-length", 64],
            "max_length: got 64, but with --no-measure",
        ),
        (["prune", "--model", "m", "-o", "x", "--epochs", "1+1", "--retrain-epochs", 2], "epochs: got '1+1'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_an_option_that_would_change_nothing_is_refused_even_at_its_default(
    arguments: list[object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = deepcuts(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_closed_streams_are_empty_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has None in the place of a stream that a shell closed by ``>&-``."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    cli._open_streams()
    assert sys.stdin.read() == ""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        assert not stream.closed
        stream.close()


def test_a_run_whose_configuration_can_not_be_read_is_refused(tmp_path: Path) -> None:
    """Its data and its length would be forgotten without a word."""
    run = pruned_run(tmp_path / "run")
    (run / "config.json").write_text('{"data": {}, "data": {}}')
    for command in (["evaluate", run], ["predict", run, "the dog"], ["export", run, "-o", tmp_path / "out"]):
        done = deepcuts(*command)
        assert done.returncode == 2
        assert "config.json: can't be read ('data' stands twice in one object)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "m", "a", "--batch-size", "9" * 400], "batch_size: got 999"),
        (["bench", "m", "--threads", 10**12], "threads: got 1000000000000"),
        (["bench", "m", "--threads", 2**31 - 1], "threads: got 2147483647"),
        (["bench", "m", "--shape", f"{2**62}x4"], "shape: got '4611686018427387904x4'"),
        (["bench", "m", "--shape", f"{'9' * 5000}x4"], "shape: got '999"),
        (["grid", "file.yaml", "--jobs", 10**9], "jobs: got 1000000000"),
        (["report", "store", "-o", "out", "--replicates", 2**62], "replicates: got 4611686018427387904"),
    ],
)
def test_numbers_beyond_all_bounds_are_refused_before_any_work(arguments: list[object], said: str) -> None:
    done = deepcuts(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
