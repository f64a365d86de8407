from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from grids import results, run_inline, worklist_of, write_grid_file

from deepcuts.runs.grid.local import ProcessExecutor, WorkerDiedError, _take_device, _Worker
from deepcuts.runs.grid.schedule import run_worklist


def test_processes_give_what_one_process_gives_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    path = write_grid_file(tmp_path)
    run_inline(path, tmp_path / "inline")
    worklist = worklist_of(path, tmp_path / "processes")
    executor = ProcessExecutor(tmp_path / "processes", 2, 1)
    killed: list[int] = []

    def kill_one(progress: Any) -> None:
        if not killed and len(progress.done) == 4:
            victim = next(iter(executor._workers)).process.pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    progress = run_worklist(worklist, executor, kill_one)
    assert killed
    assert not progress.failed
    assert results(tmp_path / "processes") == results(tmp_path / "inline")
    assert all(not worker.process.is_alive() for worker in executor._workers)


def test_an_interruption_ends_the_processes(tmp_path: Path) -> None:
    worklist = worklist_of(write_grid_file(tmp_path), tmp_path / "store")
    executor = ProcessExecutor(tmp_path / "store", 2, 1)

    def interrupt(progress: Any) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_worklist(worklist, executor, interrupt)
    deadline = time.monotonic() + 30
    while any(worker.process.is_alive() for worker in executor._workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(worker.process.is_alive() for worker in executor._workers)


def test_a_process_that_dies_is_told_from_a_unit_that_fails(tmp_path: Path) -> None:
    worklist = worklist_of(write_grid_file(tmp_path), tmp_path / "store")
    with ProcessExecutor(tmp_path / "store", 1, 1) as executor:
        future = executor.submit(worklist.units[0])
        while not executor._workers:
            time.sleep(0.01)
        os.kill(next(iter(executor._workers)).process.pid or 0, signal.SIGKILL)
        with pytest.raises(WorkerDiedError):
            future.result(timeout=60)
        assert executor.submit(worklist.units[0]).result(timeout=120).failure is None


class Told:
    """In the process that receives it, writes down which devices are visible there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        code = (
            "import os, pathlib; pathlib.Path(path).write_text(os.environ.get('CUDA_VISIBLE_DEVICES', '-'))"
        )
        return exec, (code, {"path": str(self.path)})


def test_processes_divide_the_devices_that_are_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    workers = [_Worker(number, tmp_path, 1, False) for number in range(2)]
    try:
        for worker in workers:
            worker.connection.send(Told(tmp_path / str(worker.number)))
        for worker in workers:
            worker.connection.recv()  # the outcome of a unit that was none
        assert [(tmp_path / str(worker.number)).read_text() for worker in workers] == ["2", "3"]
    finally:
        for worker in workers:
            worker.end(at_once=True)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("2,3", ["2", "3", "2"]),
        ("GPU-a,GPU-b,GPU-c", ["GPU-a", "GPU-b", "GPU-c"]),
        ("5", ["5"] * 3),
        ("", [""] * 3),
    ],
)
def test_devices_are_given_out_in_turns(
    visible: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number in range(3):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        _take_device(number)
        found.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert found == expected


@pytest.mark.parametrize(("number", "expected"), [(0, "0"), (1, "1"), (2, "2"), (3, "0")])
def test_where_nothing_is_said_they_divide_all_devices(
    number: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    _take_device(number)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


LONG = """
import sys, time
from pathlib import Path
from deepcuts.runs.grid.local import _Worker

class Long:
    def __reduce__(self):
        return time.sleep, (120,)  # in the process that receives it

if __name__ == "__main__":
    worker = _Worker(0, Path(sys.argv[1]), 1, False)
    worker.connection.send(Long())
    print(worker.process.pid, flush=True)
    time.sleep(120)
"""


def test_a_busy_process_ends_when_the_one_that_began_it_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(LONG)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # dead, and nobody asked for its status
