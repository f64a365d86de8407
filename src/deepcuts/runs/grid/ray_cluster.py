"""The executor on a Ray cluster: units as remote tasks, the store being a folder that all nodes see."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from deepcuts.common import plugins
from deepcuts.common.errors import DeepcutsError, InputError
from deepcuts.common.progress import Reporter, quiet_libraries
from deepcuts.runs.grid.jobs import Jobs
from deepcuts.runs.grid.work import Outcome, attempt
from deepcuts.runs.grid.worklist import Unit


class RayExecutor:
    """Does units as tasks of an existing Ray cluster; Ray starts one again whose worker dies.

    Args:
        store: The store's folder, under the same path on every node.
        address: The cluster's, such as ``"auto"`` or ``"ray://host:10001"``; None takes RAY_ADDRESS, or
            the cluster on this machine.
        threads: CPUs of the cluster, and threads of torch, that a unit takes.
        gpus: GPUs that a unit takes; 0.5 lets two share one.
        keep_models: Whether pruned models are saved.

    Raises:
        DeepcutsError: The extra ``ray`` is not installed, or there is no such cluster.
        InputError: The cluster can't hold a single unit.
    """

    def __init__(
        self,
        store: Path,
        address: str | None = None,
        *,
        threads: int = 1,
        gpus: float = 0.0,
        keep_models: bool = False,
    ) -> None:
        try:
            import ray
        except ImportError:
            raise DeepcutsError("executor: ray is in an extra: pip install 'deepcuts[ray]'") from None
        self._ray = ray
        self._arguments = (store.resolve(), threads, keep_models)
        self._needs = {"CPU": float(threads), "GPU": float(gpus)}
        if not ray.is_initialized():
            try:
                ray.init(address=address or "auto", log_to_driver=False, logging_level="error")
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise DeepcutsError(f"executor: no Ray cluster at {address or 'auto'!r}: {error}") from None
        if not self._count():
            raise InputError("threads", threads, "a node of the cluster must have as many CPUs, and the GPUs")
        self._task = ray.remote(
            num_cpus=threads, num_gpus=gpus, max_retries=3, runtime_env={"env_vars": plugins.variables()}
        )(_do)

    @property
    def slots(self) -> int:
        """How many units the cluster can hold now; nodes may come and go."""
        return max(1, self._count())

    def submit(self, unit: Unit) -> Future[Outcome]:
        """Hand a unit to the cluster; the future raises if its worker died again and again."""
        future: Future[Outcome] = self._task.remote(unit, *self._arguments).future()
        return future

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ray.shutdown()  # this driver's tasks end with it; the cluster stays

    def _count(self) -> int:
        nodes: list[dict[str, Any]] = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return sum(
            int(min(node.get(name, 0.0) // amount for name, amount in self._needs.items() if amount))
            for node in nodes
        )


_jobs = Jobs(Reporter())  # of the worker process, which Ray keeps for the next unit


def _do(unit: Unit, store: Path, threads: int, keep_models: bool) -> Outcome:
    import torch

    torch.set_num_threads(threads)
    quiet_libraries()
    return attempt(unit, store, _jobs, keep_models=keep_models)
