from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grids import GRIDS, results, run_inline, worklist_of, write_grid_file

from deepcuts.common import plugins
from deepcuts.common.errors import DeepcutsError, InputError
from deepcuts.runs.grid.ray_cluster import RayExecutor
from deepcuts.runs.grid.schedule import run_worklist

OWN = Path(__file__).parents[2] / "own_choices.py"


@pytest.fixture(scope="module")
def started() -> Iterator[str]:
    """A local cluster that can hold two units at a time."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield made.address
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def cluster(started: str) -> Iterator[str]:
    """Its address; the connection is closed after each test."""
    import ray

    yield started
    ray.shutdown()


def test_a_cluster_gives_what_this_process_gives_and_a_killed_worker_loses_nothing(
    cluster: str, tmp_path: Path, no_plugins_after: None
) -> None:
    """One cell is of a plugin's strategy, which the workers import on their own."""
    import psutil

    plugins.add([str(OWN)])
    path = write_grid_file(tmp_path, [*GRIDS, {"strategy": "LayerLateRows", "density": 0.3, "seed": 0}])
    run_inline(path, tmp_path / "inline")
    worklist = worklist_of(path, tmp_path / "ray")
    executor = RayExecutor(tmp_path / "ray", cluster)
    assert executor.slots == 2
    killed: list[int] = []

    def kill_one(progress: Any) -> None:
        if killed or len(progress.done) < 4:
            return
        for process in psutil.process_iter(["pid", "cmdline"]):
            if " ".join(process.info["cmdline"] or []).startswith("ray::_do"):
                os.kill(process.info["pid"], signal.SIGKILL)
                killed.append(process.info["pid"])
                return

    progress = run_worklist(worklist, executor, kill_one)
    assert killed
    assert not progress.failed
    found = results(tmp_path / "ray")
    assert found == results(tmp_path / "inline")
    assert "LayerLateRows" in {result["strategy"] for result, _ in found.values()}
    for file in (tmp_path / "ray").glob("cell-*/environment.json"):
        assert list(json.loads(file.read_text())["plugins"]) == [str(OWN)]


def test_a_cluster_that_can_not_hold_a_unit_is_refused(cluster: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="threads: got 3"):
        RayExecutor(tmp_path, cluster, threads=3)


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    from ray._private import services

    # "auto" finds any cluster on this machine, of other tests too.
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_gcs_addresses", functools.cache(set))
    monkeypatch.setattr(services, "find_bootstrap_address", lambda _folder: None)
    with pytest.raises(DeepcutsError, match="no Ray cluster"):
        RayExecutor(tmp_path, "auto")


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DeepcutsError, match=r"deepcuts\[ray\]"):
        RayExecutor(tmp_path)
