from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from grids import worklist_of, write_grid_file
from rich.console import Console

from deepcuts.cli import main
from deepcuts.cli.grid_table import Watcher
from deepcuts.runs.grid.schedule import Progress


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["deepcuts", "grid", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_grid_is_planned_run_and_found_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_grid_file(tmp_path)
    store = tmp_path / "store"
    assert run(monkeypatch, path, "-o", store, "--dry-run") == 0
    out = capsys.readouterr().out
    assert not store.exists()
    lines = {line.split("  ")[1].strip(): line.split() for line in out.splitlines() if line.startswith("  ")}
    assert lines["fine-tuning, epochs"][-3:] == ["5", "2", "2"]
    assert lines["scoring, passes over a batch"][-3:] == ["18", "12", "12"]
    assert "Sharing saves 3 epochs of fine-tuning and 6 passes over a batch of scoring." in out
    assert out.count("·") == 5 + 1  # a sign a cell, and the legend

    assert run(monkeypatch, path, "-o", store) == 0
    captured = capsys.readouterr()
    assert sum(map(captured.out.count, "✓≈")) == 5 + 2  # two stand in the legend
    assert "[9/9]" in captured.err
    assert len(list(store.glob("cell-*/result.json"))) == 5
    assert run(monkeypatch, path, "-o", store, "--dry-run") == 0
    assert lines_of(capsys.readouterr().out, "retraining")[-1] == "0"


def lines_of(out: str, start: str) -> list[str]:
    return next(line.split() for line in out.splitlines() if line.strip().startswith(start))


def test_failed_cells_end_with_status_1_and_are_retried_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deepcuts.runs.grid import work

    path = write_grid_file(tmp_path)
    original = work.carry_out

    def failing(job: Any, *args: Any, **kwargs: Any) -> Any:
        if job.config.strategy == "GlobalMagWeight":
            raise RuntimeError("no luck")
        return original(job, *args, **kwargs)

    monkeypatch.setattr(work, "carry_out", failing)
    assert run(monkeypatch, path, "-o", tmp_path / "store") == 1
    captured = capsys.readouterr()
    assert captured.out.count("✗") == 2 + 1
    assert captured.err.count("RuntimeError: no luck") == 2
    assert "Traceback" not in captured.err
    monkeypatch.setattr(work, "carry_out", original)
    assert run(monkeypatch, path, "-o", tmp_path / "store") == 1  # not tried again unasked, and still failed
    assert "--retry-failed" in capsys.readouterr().err
    assert run(monkeypatch, path, "-o", tmp_path / "store", "--retry-failed") == 0
    assert sum(map(capsys.readouterr().out.count, "✓≈")) == 5 + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.yaml"], "nothing.yaml"),
        (["--jobs", 0], "jobs: got 0"),
        (["--threads", -1], "threads: got -1"),
        (["--executor", "slurm"], "executor: got 'slurm'"),
        (["--gpus", -1], "gpus"),
        (["--model", "./nowhere"], "nowhere"),
    ],
    ids=str,
)
def test_bad_input_is_refused_with_status_2_and_without_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[Any],
    message: str,
) -> None:
    path = write_grid_file(tmp_path)
    given = arguments if str(arguments[0]).endswith(".yaml") else [path, *arguments]
    assert run(monkeypatch, *given, "-o", tmp_path / "store") == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("terminal", [False, True])
def test_the_table_follows_the_work(tmp_path: Path, terminal: bool) -> None:
    worklist = worklist_of(write_grid_file(tmp_path), tmp_path / "store")
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    progress = Progress(worklist, slots=2)
    with Watcher(worklist, console) as watcher:
        watcher(progress)
        cells = [unit for unit in worklist.units if unit.kind == "cell"]
        others = [unit for unit in worklist.units if unit.kind != "cell"]
        progress.done |= {cells[0].key, *(unit.key for unit in others)}
        progress.failed.add(cells[1].key)
        progress.running[cells[2].key] = progress.now()
        progress.seconds = {"cell": [60.0], "finetune": [1.0], "score": [1.0]}
        watcher(progress)
    text = out.getvalue()
    assert "LayerGradCAMShift shift 10.0, density 0.3, seed 0: done; expected end" in text
    assert "LayerGradCAMShift shift 10.0, density 0.5, seed 0: failed" in text
    if terminal:
        rows = [line.split() for line in text.splitlines()]
        assert ["LayerGradCAMShift", "shift", "10.0", "✓", "✗"] in rows
        assert ["GlobalMagWeight", "▶", "·"] in rows
        assert "now: GlobalMagWeight, density 0.3, seed 0" in text
    else:
        assert "▶" not in text


def test_the_grids_manifest_names_every_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_grid_file(tmp_path, [{"strategy": "Random", "density": [0.3, 0.5]}])
    assert run(monkeypatch, path, "-o", tmp_path / "store") == 0
    content = json.loads((tmp_path / "store" / "grids" / "tiny.json").read_text())
    assert [cell["config"]["density"] for cell in content["cells"]] == [0.3, 0.5]
