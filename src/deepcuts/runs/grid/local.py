"""Executors on this machine: in this process, or in several processes that share its cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from deepcuts.common.progress import Reporter, quiet_libraries
from deepcuts.runs.grid.jobs import Jobs
from deepcuts.runs.grid.work import Outcome, attempt
from deepcuts.runs.grid.worklist import Unit

_DEVICES = "CUDA_VISIBLE_DEVICES"


class WorkerDiedError(Exception):
    """A process ended in the middle of a unit."""


class InlineExecutor:
    """Does units one after another in this process.

    Args:
        store: The store's folder.
        jobs: Where models and data are loaded.
        keep_models: Whether pruned models are saved.
    """

    slots = 1

    def __init__(self, store: Path, jobs: Jobs, *, keep_models: bool = False) -> None:
        self._store = store
        self._jobs = jobs
        self._keep_models = keep_models

    def submit(self, unit: Unit) -> Future[Outcome]:
        """Do a unit at once; the future is finished when this returns."""
        future: Future[Outcome] = Future()
        future.set_result(attempt(unit, self._store, self._jobs, keep_models=self._keep_models))
        return future

    def __enter__(self) -> InlineExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class ProcessExecutor:
    """Does units in processes that stay, so that each loads a model once; one that dies is replaced.

    Args:
        store: The store's folder.
        slots: How many processes.
        threads: Threads of torch in each.
        keep_models: Whether pruned models are saved.
    """

    def __init__(self, store: Path, slots: int, threads: int, *, keep_models: bool = False) -> None:
        self.slots = slots
        self._settings = (store, threads, keep_models)
        self._pool = ThreadPoolExecutor(slots, "deepcuts-slot")
        self._own = threading.local()
        self._workers: set[_Worker] = set()
        self._busy: set[str] = set()
        self._free_numbers = list(range(slots))[::-1]
        self._is_closed = False

    def submit(self, unit: Unit) -> Future[Outcome]:
        """Begin a unit in a free process; the future raises `WorkerDiedError` if that process dies."""
        return self._pool.submit(self._do, unit)

    def __enter__(self) -> ProcessExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_closed = True
        for worker in list(self._workers):
            worker.end(at_once=bool(self._busy))
        self._pool.shutdown(cancel_futures=True)

    def _do(self, unit: Unit) -> Outcome:
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None or not worker.process.is_alive():
            if self._is_closed:
                raise WorkerDiedError
            number = worker.number if worker else self._free_numbers.pop()
            worker = self._own.worker = _Worker(number, *self._settings)
            self._workers.add(worker)
        self._busy.add(unit.key)
        try:
            worker.connection.send(unit)
            outcome: Outcome = worker.connection.recv()
        except (EOFError, OSError):
            self._workers.discard(worker)
            worker.end(at_once=True)
            raise WorkerDiedError from None
        finally:
            self._busy.discard(unit.key)
        return outcome


class _Worker:
    """One process, and the line to it."""

    def __init__(self, number: int, store: Path, threads: int, keep_models: bool) -> None:
        self.number = number
        # Not forked: a fork of a process that has used threads, as torch does, can hang.
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        arguments = (other, number, store, threads, keep_models)
        self.process: BaseProcess = context.Process(target=_serve, args=arguments, daemon=True)
        # Ctrl-C goes to all processes of a terminal; the first of them decides, and ends the others. Blocked
        # here, it is blocked in the process from its first instruction on.
        resource_tracker.ensure_running()  # which would unblock it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        other.close()  # the worker's end: open here too, its death would not be seen

    def end(self, *, at_once: bool) -> None:
        """End the process: in the middle of a unit, or once it has seen that there is no other."""
        if at_once:
            self.process.kill()
        else:
            self.connection.close()
        self.process.join()


def _serve(connection: Connection, number: int, store: Path, threads: int, keep_models: bool) -> None:
    """Do the units that come down the line, until it is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _take_device(number)
    import torch

    torch.set_num_threads(threads)
    quiet_libraries()
    jobs = Jobs(Reporter())
    while True:
        try:
            unit: Unit = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(attempt(unit, store, jobs, keep_models=keep_models))


def _take_device(number: int) -> None:
    """Leave one CUDA device visible of those that are, a different one for each process while they last.

    Args:
        number: The process's, from 0.
    """
    visible = os.environ.get(_DEVICES)
    if visible is None:
        import torch

        names = [str(index) for index in range(torch.cuda.device_count())]
    else:
        names = [name for name in visible.split(",") if name]
    if len(names) > 1:
        os.environ[_DEVICES] = names[number % len(names)]


def _end_with_parent() -> None:
    """End this process, even in the middle of a unit, when the one that gives it units is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
