"""A training that ends no better than a constant says so: in progress, result, table."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import deepcuts
from grids import write_grid_file
from rich.console import Console
from runs import config, data_config, job

from deepcuts.cli.common import on_plateau, plateau_lines, print_result
from deepcuts.common import tensor_file
from deepcuts.common.progress import Reporter
from deepcuts.report.analysis.differences import replicate
from deepcuts.report.analysis.results import performance_rows
from deepcuts.report.analysis.studies import find_studies
from deepcuts.report.reading import load_cells
from deepcuts.report.sections.performance import results_table
from deepcuts.runs.pipeline import prune
from deepcuts.runs.plateau import Plateau, find_plateau
from deepcuts.runs.preparing import prepare
from deepcuts.runs.steps import Assessment
from deepcuts.tasks import measure


def run(folder: Path, **changes: Any) -> tuple[dict[str, Any], str]:
    text = io.StringIO()
    folder.mkdir(exist_ok=True)
    made = config(folder, data_config(folder, train=48, dev=24), **changes)
    prepared = prepare(made, made.data.load(), Reporter(Console(file=text, width=300)))
    return prune(prepared, folder / "run"), text.getvalue()


def test_a_run_that_never_learns_says_so_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a learning rate of next to nothing both trainings stay where they began."""
    result, progress = run(tmp_path, learning_rate=1e-9, strategy="Random")
    for name in ("fine-tune", "retrain"):
        found = result["plateau"][name]
        assert found["at_end"]
        assert found["why"]
        assert f"{name}: ended no better than a constant prediction: {found['why']}" in progress
    assert "after 6 of 12 steps no better than a constant prediction" in progress
    assert "--rewind finetuned" in result["plateau"]["retrain"]["try"]
    assert "--rewind finetuned" not in result["plateau"]["fine-tune"]["try"]
    print_result(result, tmp_path / "run")
    printed = capsys.readouterr().out
    assert "pruned, retrained (plateau)" in printed
    assert "dense (plateau)" in printed
    assert "PLATEAU: retraining ended no better than a constant prediction" in printed
    again, _ = run(tmp_path, learning_rate=1e-9, strategy="Random")
    assert again == result


def test_a_run_that_learns_is_on_no_plateau(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, progress = run(tmp_path, finetune_epochs=6, retrain_epochs=6, density=0.9, rewind="finetuned")
    assert result["retrained"]["accuracy"] == 1
    assert result["plateau"]["retrain"] is None or not result["plateau"]["retrain"]["at_end"]
    assert "retrain: ended" not in progress
    print_result(result, tmp_path / "run")
    assert "PLATEAU" not in capsys.readouterr().out


def test_a_plateau_that_was_left_in_the_second_half_is_kept_in_mind(tmp_path: Path) -> None:
    made = job(tmp_path)
    logits = [[1.0, 0.0] if target == 0 else [0.0, 1.0] for target in made.task.dev.targets]
    perfect = {"accuracy": 1.0, "matthews": 1.0, "f1": 1.0}
    import numpy as np

    def found(constant: list[bool]) -> Plateau | None:
        entries = [{"step": 10 * (i + 1), "constant": flag} for i, flag in enumerate(constant)]
        return find_plateau(made.task, entries, perfect, np.array(logits))

    assert found([True, True, False]) == Plateau(at_end=False)
    assert found([True, False, False]) is None
    assert found([]) is None
    # An entry of an earlier version says nothing of it.
    assert find_plateau(made.task, [{"step": 10}], perfect, np.array(logits)) is None
    nothing = np.zeros((len(logits), 2))
    ended = find_plateau(made.task, [{"step": 10}], dict.fromkeys(perfect, 0.0), nothing)
    assert ended is not None
    assert ended.at_end


def test_what_is_tried_already_is_not_advised(tmp_path: Path) -> None:
    never = {"learning_rate": 1e-9, "strategy": "Random", "finetune_epochs": 1, "retrain_epochs": 1}
    first, _ = run(tmp_path / "first", **never)
    ways = first["plateau"]["retrain"]["try"]
    assert ways[:2] == ["--rewind finetuned", "--warmup 0.1"]
    then, _ = run(tmp_path / "then", **never, rewind="finetuned", warmup=0.1)
    assert then["plateau"]["retrain"]["try"] == ways[2:]


def test_results_of_earlier_versions_say_nothing() -> None:
    assert not on_plateau({}, "retrain")
    assert plateau_lines({"dense": {}}) == []


def test_a_correlation_of_outputs_that_hardly_vary_is_shown_as_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outputs differ by less than 0.001, and correlate with the targets: every place says what that is."""
    folder = tmp_path / "one"
    folder.mkdir()
    source = data_config(folder, train=48, dev=24, regression=True)
    # Nothing moves any weight; the head hears next to nothing of the sentence.
    made = config(folder, source, learning_rate=1e-30, retrain_epochs=3, select_on="held-out")
    text = io.StringIO()
    prepared = prepare(made, made.data.load(), Reporter(Console(file=text, width=300)))
    for state in (prepared.model.state_dict(), prepared.start.tensors):
        state["classifier.weight"].mul_(1e-4)
    result = prune(prepared, folder / "run")
    said = tensor_file.load(folder / "run" / "predictions.safetensors", "predictions")[0]
    for phase in ("dense", "pruned", "retrained"):
        assert 0 < float(said[phase].max() - said[phase].min()) < 1e-3
        assert "vary by less" in result["constant"][phase]
    assert abs(result["retrained"]["pearson"]) > 0.01  # which would be taken for something
    assert "vary by less" in result["constant"]["last_epoch"]["retrain"]
    history = json.loads((folder / "run" / "history.json").read_text())
    assert all(entry["constant"] for entry in history["retrain"])
    lines = [line for line in text.getvalue().splitlines() if "retrain: epoch" in line]
    assert len(lines) == 3
    assert all("held-out pearson" in line and "(as good as constant)" in line for line in lines)

    print_result(result, folder / "run")
    said_so = capsys.readouterr().out
    assert "pruned (as good as constant)" in said_so
    assert "pruned, retrained (plateau)" in said_so
    assert "run (as good as constant)" in deepcuts("evaluate", folder / "run").stdout

    (study,) = find_studies(load_cells(tmp_path / "one", None)[0])
    for phase, word in (("pruned", "as good as constant"), ("retrained", "plateau")):
        rows = performance_rows(study, phase, replicate(study, 100, 0), [])  # type: ignore[arg-type]
        table = results_table(study, phase, rows, [], [])  # type: ignore[arg-type]
        assert table.rows[0][0].below == f"{word}: seed 0"


def test_the_last_epoch_is_judged_where_another_one_is_best(tmp_path: Path) -> None:
    made = job(tmp_path, data_config(tmp_path, train=48, dev=24, regression=True))
    flat = torch.full((24, 1), 2.0) + torch.arange(24)[:, None] * 1e-6
    found = Assessment(measure(made.task.data.task, flat.numpy(), made.task.dev.targets), flat)
    assert "vary by less" in str(made.why_constant(found))
    good = torch.tensor(made.task.dev.targets)[:, None].float()
    best = Assessment(measure(made.task.data.task, good.numpy(), made.task.dev.targets), good)
    assert made.why_constant(best) is None


def test_a_cell_that_left_a_constant_model_has_a_sign_of_its_own(tmp_path: Path) -> None:
    grids = [{"strategy": "LayerMagWeight", "density": 0.3, "seed": 0}]
    path = write_grid_file(tmp_path, grids, learning_rate=1e-9)
    done = deepcuts("grid", path, "-o", tmp_path / "store")
    assert "done, but on a plateau: no better than a constant" in done.stderr
    for shown in (done.stdout, deepcuts("grid", path, "-o", tmp_path / "store", "--dry-run").stdout):
        (row,) = [line for line in shown.splitlines() if line.strip().startswith("LayerMagWeight")]
        assert row.split()[-1] == "≈"
        assert "≈ constant" in shown
