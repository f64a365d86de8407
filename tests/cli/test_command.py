"""What holds for the arguments of every subcommand."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import deepcuts


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
        (["compare", "a", "b", "--format", "csv"], "as_format: got 'csv', but it is of the tables"),
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
