"""A kind of task through every command, in this process, on the tiny model and files of a test's own."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from runs import tiny_model_folder

from deepcuts.cli import main

#: Epochs of both trainings; a tiny random model learns what the tests ask in so many.
SCHEDULE = {"finetune_epochs": 14, "retrain_epochs": 8, "learning_rate": 1e-2, "batch_size": 8}


def call(*arguments: Any, status: int = 0) -> str:
    """Run a command; gives what it prints, or its error where it must end with another status."""
    printed, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["deepcuts", *map(str, arguments)]),
        redirect_stdout(printed),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert (end.value.code or 0) == status, errors.getvalue()
    return errors.getvalue() if status else printed.getvalue()


def options_of(data: dict[str, Any]) -> list[str]:
    """A task's options on the command line."""
    return [f"--{name}={value}" for name, value in data.items()]


def prune(home: Path, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Prune the tiny model for a task into ``home / "run"``; gives the result."""
    tiny_model_folder(home / "start")
    options = {"model": home / "start", "strategy": "LayerMagGrad", "density": 0.5, **SCHEDULE, **more}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    printed = call("prune", *arguments, *options_of(data), "-o", home / "run")
    result: dict[str, Any] = json.loads((home / "run" / "result.json").read_text())
    assert result["task"]["primary"] in printed
    return result


def check_every_command(home: Path, data: dict[str, Any], result: dict[str, Any], texts: list[str]) -> Any:
    """Evaluate, export, predict, bench, grid and report a run; gives what it predicts of the texts."""
    run = home / "run"
    measured = json.loads(call("evaluate", run, "--json"))
    assert measured["model"] == pytest.approx(result["retrained"])
    assert measured["baseline"] == pytest.approx(result["baseline"])

    said = [json.loads(line) for line in call("predict", run, *texts, "--runtime=dense").splitlines()]
    for form in ("sparse", "packed"):
        call("export", run, "--format", form, "-o", home / form)
        again = json.loads(call("evaluate", home / form, "--json", *options_of(data)))
        assert again["model"] == measured["model"]
    for source in (run, home / "sparse"):  # by the sparse runtime
        sparse = [
            json.loads(line) for line in call("predict", source, *texts, "--runtime=sparse").splitlines()
        ]
        assert nearly(sparse) == nearly(said)

    ways = [option for way in ("sparse-fp32",) for option in ("--only", way)]
    bench = ["--shape=1x8", "--turns=3", "--threads=1", "--device=cpu", "-o", home / "bench.json"]
    with mock.patch("deepcuts.deploy.bench.run.measure_memory", return_value=None):  # a process each
        call("bench", run, *ways, *bench)
    for one in json.loads((home / "bench.json").read_text())["results"]:
        assert one["measures"] == pytest.approx(result["retrained"], abs=1e-5), one

    cell = {"model": str(home / "start"), "strategy": "LayerMagGrad", "density": 0.5, **SCHEDULE, **data}
    cell |= {"finetune_epochs": 1, "retrain_epochs": 1, "text": [data["text"]]} if "text" in data else {}
    (home / "grid.yaml").write_text(yaml.safe_dump({"name": "toy", "grids": [cell]}))
    call("grid", home / "grid.yaml", "-o", home / "store")
    call("report", home / "store", "-o", home / "report", "--replicates", "100")
    page = (home / "report" / "report.html").read_text(encoding="utf-8")
    assert "Not a single" not in page
    return said, page


def nearly(said: Any) -> Any:
    """The same with numbers that are rounded: the sparse runtime adds in another order."""
    if isinstance(said, dict):
        return {name: nearly(said[name]) for name in sorted(said)}
    if isinstance(said, list):
        return [nearly(one) for one in said]
    return round(said, 3) if isinstance(said, float) else said
