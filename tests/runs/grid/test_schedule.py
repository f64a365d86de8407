from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from grids import results, run_inline, worklist_of, write_grid_file
from safetensors.torch import load_file

from deepcuts import Masks, verify_masks
from deepcuts.common import store as stores
from deepcuts.common.store import Store
from deepcuts.models.loading import load_finetuned
from deepcuts.runs.grid import work
from deepcuts.runs.grid.jobs import Jobs
from deepcuts.runs.grid.local import InlineExecutor
from deepcuts.runs.grid.records import grid_names, read_cells
from deepcuts.runs.grid.schedule import TRIES, run_worklist
from deepcuts.runs.grid.work import Outcome
from deepcuts.runs.grid.worklist import Unit, cell_identity
from deepcuts.runs.pipeline import prune
from deepcuts.runs.steps import Train
from deepcuts.training import predict


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_grid_file(folder)
    return folder


@pytest.fixture(scope="module")
def stored(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the grid ran without a hitch."""
    store = tmp_path_factory.mktemp("stored") / "store"
    run_inline(home / "tiny.yaml", store)
    return store


def test_every_cell_is_a_run_with_the_result_that_it_has_on_its_own(
    home: Path, stored: Path, tmp_path: Path
) -> None:
    records = read_cells(stored, "tiny")
    assert grid_names(stored) == ["tiny"]
    assert [record.status for record in records] == ["done"] * 5
    record = records[-1]
    assert record.result["scoring"]["shift"] == 100
    names = {path.name for path in record.folder.iterdir() if not path.name.startswith(".")}
    assert names == {
        "config.json", "environment.json", "history.json", "identity.json", "masks.safetensors",
        "predictions.safetensors", "result.json", "stage.json",
    }  # fmt: skip
    worklist = worklist_of(home / "tiny.yaml", stored)
    assert not worklist.units
    alone = prune(Jobs().job(worklist.cells[record.key]), tmp_path / "alone")
    for name in ("dense", "pruned", "retrained", "kept", "scoring"):
        assert alone[name] == record.result[name]
    masks = "masks.safetensors"
    assert (tmp_path / "alone" / masks).read_bytes() == (record.folder / masks).read_bytes()


def test_models_are_kept_where_they_are_asked_for(home: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    path = write_grid_file(tmp_path / "own", [{"strategy": "Random", "density": 0.3}])
    worklist = worklist_of(path, tmp_path)
    run_worklist(worklist, InlineExecutor(tmp_path, Jobs(), keep_models=True))
    (record,) = read_cells(tmp_path)
    assert record.result["invariants"]["saved_model_is_the_measured_one_bit_for_bit"]
    model, _ = load_finetuned(str(record.folder / "model"))
    verify_masks(model, Masks.load(record.folder / "masks.safetensors"))
    measured = load_file(record.folder / "predictions.safetensors")["retrained"]
    assert torch.equal(predict(model, Jobs().job(worklist.cells[record.key]).task), measured)


class Stop(BaseException):
    """Ends the process' work as a kill would, but can be seen by the test."""


@pytest.mark.parametrize("step", [1, 4, 8, 13])
def test_a_grid_stopped_anywhere_goes_on_and_redoes_no_finished_stage(
    home: Path, stored: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at its n-th finished stage, retraining's own among them, just before it counts as finished."""
    finished: list[str] = []
    original = stores.Stage.finish

    def stopping(self: stores.Stage, record: Any) -> None:
        if len(finished) == step:
            raise Stop
        original(self, record)
        finished.append(self.key)

    monkeypatch.setattr(stores.Stage, "finish", stopping)
    with pytest.raises(Stop):
        run_inline(home / "tiny.yaml", tmp_path)
    before = list(finished)
    monkeypatch.setattr(stores.Stage, "finish", original)

    def counting(self: stores.Stage, record: Any) -> None:
        original(self, record)
        finished.append(self.key)

    monkeypatch.setattr(stores.Stage, "finish", counting)
    run_inline(home / "tiny.yaml", tmp_path)
    assert len(set(finished)) == len(finished), "a finished stage was done again"
    assert before == finished[: len(before)]
    assert results(tmp_path) == results(stored)


def test_a_killed_grid_goes_on(home: Path, stored: Path, tmp_path: Path) -> None:
    """A real SIGKILL, some cells into it."""
    command = [sys.executable, "-m", "deepcuts", "grid", str(home / "tiny.yaml"), "-o", str(tmp_path / "s")]
    process = subprocess.Popen(
        [*command, "--threads", "1"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "s").glob("cell-*/stage.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {path.parent.name for path in (tmp_path / "s").glob("cell-*/stage.json")}
    assert 0 < len(there) < 5
    run_inline(home / "tiny.yaml", tmp_path / "s")
    assert results(tmp_path / "s") == results(stored)


def test_a_cell_that_fails_is_recorded_and_the_rest_goes_on(
    home: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = work.carry_out

    def failing(job: Any, *args: Any, **kwargs: Any) -> Any:
        if job.config.strategy == "GlobalMagWeight" and job.config.density == 0.5:
            raise MemoryError("no room")
        return original(job, *args, **kwargs)

    monkeypatch.setattr(work, "carry_out", failing)
    progress = run_inline(home / "tiny.yaml", tmp_path)
    assert len(progress.failed) == 1
    failed = [record for record in read_cells(tmp_path, "tiny") if record.status == "failed"]
    assert {(record.config["strategy"], record.config["density"]) for record in failed} == {
        ("GlobalMagWeight", 0.5)
    }
    for record in failed:
        assert record.failure is not None
        assert record.failure["error"] == "MemoryError: no room"
        assert "carry_out" in record.failure["traceback"]
    assert len(results(tmp_path)) == 4

    monkeypatch.setattr(work, "carry_out", original)
    assert not worklist_of(home / "tiny.yaml", tmp_path).units  # they are not tried again unasked
    retried = worklist_of(home / "tiny.yaml", tmp_path, failed=True)
    assert {unit.key for unit in retried.units} == {record.key for record in failed}
    assert not run_worklist(retried, InlineExecutor(tmp_path, Jobs())).failed
    assert results(tmp_path) == results(stored)
    assert {record.status for record in read_cells(tmp_path)} == {"done"}
    assert not worklist_of(home / "tiny.yaml", tmp_path, failed=True).units


def test_a_stage_that_fails_takes_the_cells_with_it_that_need_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Train.do

    def failing(step: Train, made: Any, before: str) -> None:
        if made.piece.seed == 1:
            raise RuntimeError("diverged")
        original(step, made, before)

    monkeypatch.setattr(Train, "do", failing)
    run_inline(home / "tiny.yaml", tmp_path)
    records = read_cells(tmp_path, "tiny")
    assert {(record.config["seed"], record.status) for record in records} == {(0, "done"), (1, "failed")}
    for record in records:
        if record.failure is not None:
            assert record.failure["error"] == "fine-tuning: RuntimeError: diverged"
    monkeypatch.setattr(Train, "do", original)
    retried = worklist_of(home / "tiny.yaml", tmp_path, failed=True)
    assert [unit.kind for unit in retried.units[:2]] == ["finetune", "score"]
    assert not run_worklist(retried, InlineExecutor(tmp_path, Jobs())).failed


def test_two_grids_in_one_store_at_once_give_what_one_gives(home: Path, stored: Path, tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        import torch
        torch.set_num_threads(1)
        sys.path.insert(0, sys.argv[1])
        from grids import run_inline
        assert not run_inline(Path(sys.argv[2]), Path(sys.argv[3])).failed
        """
    )
    arguments = [str(Path(__file__).parents[2]), str(home / "tiny.yaml"), str(tmp_path / "s")]
    both = [
        subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE) for _ in range(2)
    ]
    errors = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert results(tmp_path / "s") == results(stored)
    assert not list((tmp_path / "s").rglob("*.tmp"))


def test_a_cell_that_another_grid_works_on_is_left_to_it(
    home: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcuts.runs.grid import schedule

    monkeypatch.setattr(schedule, "_TAKEN_AGAIN", 0.1)
    monkeypatch.setattr(schedule, "_TICK", 0.05)
    store = tmp_path / "store"
    shutil.copytree(stored, store)
    worklist = worklist_of(home / "tiny.yaml", store)
    key = next(iter(worklist.cells))
    for name in ("stage.json", "result.json"):
        (store / f"cell-{key}" / name).unlink()
    worklist = worklist_of(home / "tiny.yaml", store)
    assert [unit.key for unit in worklist.units] == [key]
    job = Jobs().job(worklist.cells[key])
    with Store(store, job.processes).stage(cell_identity(job)) as taken:
        looked = 0

        def watch(progress: Any) -> None:
            nonlocal looked
            looked += 1
            if looked == 5:  # the other grid finishes it
                shutil.copy(stored / taken.folder.name / "result.json", taken.folder)
                taken.finish({})

        progress = run_worklist(worklist, InlineExecutor(store, Jobs()), watch)
    assert progress.done == {key}
    assert looked >= 5
    assert not (taken.folder / "work").exists()


class Dying:
    """An executor whose workers die a number of times before each unit is done."""

    slots = 1

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.tried: dict[str, int] = {}

    def submit(self, unit: Unit) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self.tried[unit.key] = self.tried.get(unit.key, 0) + 1
        if self.tried[unit.key] <= self.deaths:
            future.set_exception(OSError("killed"))
        else:
            future.set_result(Outcome(1.0))
        return future

    def __enter__(self) -> Dying:
        return self

    def __exit__(self, *exception: object) -> None: ...


def test_a_unit_whose_worker_dies_is_tried_again_but_not_for_ever(home: Path, tmp_path: Path) -> None:
    worklist = worklist_of(home / "tiny.yaml", tmp_path)
    patient = Dying(TRIES - 1)
    assert not run_worklist(worklist, patient).failed
    assert set(patient.tried.values()) == {TRIES}
    hopeless = Dying(TRIES)
    progress = run_worklist(worklist, hopeless)
    assert progress.failed == {unit.key for unit in worklist.units}
    assert len(hopeless.tried) == 2  # the fine-tunings, which everything else needs
    for record in read_cells(tmp_path, "tiny"):
        assert record.failure is not None
        assert "worker died" in record.failure["error"]


def test_the_expected_end_follows_from_what_was_done(home: Path, tmp_path: Path) -> None:
    worklist = worklist_of(home / "tiny.yaml", tmp_path)
    seen: list[float | None] = []
    run_worklist(worklist, Dying(0), lambda progress: seen.append(progress.seconds_left()))
    assert seen[0] is None
    assert seen[-1] == 0.0
    known = [seconds for seconds in seen if seconds is not None]
    assert max(known) <= 6.0  # a sweep and five cells of a second
