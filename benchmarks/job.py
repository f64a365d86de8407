"""The whole job: how much of a run's wall time is not spent in a forward, a backward or an optimizer step."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from deepcuts.config import DataConfig, PruneConfig
from deepcuts.quiet import quiet_libraries


def measure_job(task: str = "minimal-pairs", data: str | None = None, **settings: Any) -> dict[str, float]:
    """Run `deepcuts prune` on MiniLM, from the loading of the data on, with a stopwatch on the model.

    Args:
        task: The task; by default one that needs no download.
        data: Folder of a GLUE task.
        settings: Fields of `PruneConfig` other than those of the demo.

    Returns:
        Seconds: ``total``, ``forward``, ``backward``, ``step``; and ``other_share``, what is none of them.
    """
    from deepcuts.pipeline import prune
    from deepcuts.stages import prepare

    quiet_libraries()
    started = time.perf_counter()
    source = DataConfig(task=task, data=data)
    loaded = source.load()
    given = {
        "strategy": "LayerGradCAMShift",
        "density": 0.147,
        "finetune_epochs": 1,
        "retrain_epochs": 1,
        "batch_size": 32,
        "precision": "bf16",
        "group_by_length": True,
        "score_batches": 40,
        "smooth_batches": 4,
        **settings,
    }
    config = PruneConfig.make(loaded.task, model="minilm", data=source, **given)
    job = prepare(config, loaded)
    spent = {"forward": 0.0, "backward": 0.0, "step": 0.0}
    with contextlib.ExitStack() as watched, tempfile.TemporaryDirectory() as folder:
        watched.enter_context(_stopwatch(type(job.model), "__call__", spent, "forward"))
        watched.enter_context(_stopwatch(torch.autograd, "backward", spent, "backward"))
        watched.enter_context(_stopwatch(torch.optim.AdamW, "step", spent, "step"))
        prune(job, Path(folder) / "run")
    total = time.perf_counter() - started
    return {"total": total, **spent, "other_share": 1 - sum(spent.values()) / total}


def measure_start() -> dict[str, float]:
    """Seconds until ``deepcuts --help`` has ended, and until a plan's first line; medians of three."""
    commands = {
        "help": ["--help"],
        "first line": ["prune", "--model", "minilm", "--task", "minimal-pairs", "--density", "2", "-o", "x"],
    }
    found = {}
    for name, arguments in commands.items():
        times = []
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "deepcuts", *arguments], capture_output=True)
            times.append(time.perf_counter() - started)
        found[name] = sorted(times)[1]
    return found


@contextlib.contextmanager
def _stopwatch(owner: Any, name: str, spent: dict[str, float], what: str) -> Iterator[None]:
    original: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            spent[what] += time.perf_counter() - started

    own = name in vars(owner)
    setattr(owner, name, timed)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)
