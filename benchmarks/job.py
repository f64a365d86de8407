"""The whole job: how much of a run's wall time is not spent in a forward, a backward or an optimizer step."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from deepcuts.common.progress import quiet_libraries
from deepcuts.common.timing import clock
from deepcuts.runs.config import DataConfig, PruneConfig


def measure_job(task: str = "minimal-pairs", data: str | None = None, **settings: Any) -> dict[str, float]:
    """Run `deepcuts prune` on MiniLM, from the loading of the data on, with a stopwatch on the model.

    What a criterion computes of each gradient, it computes within the backward pass, and counts as that;
    the table of scoring says how much it is.

    Args:
        task: The task; by default one that needs no download.
        data: Folder of a GLUE task.
        settings: Fields of `PruneConfig` other than those of the demo.

    Returns:
        Seconds: ``total``, ``forward``, ``backward``, ``step``; and ``other_share``, what is none of them.
    """
    from deepcuts.runs.pipeline import prune
    from deepcuts.runs.preparing import prepare

    quiet_libraries()
    started = time.perf_counter()
    source = DataConfig(task=task, data=data)
    loaded = source.load()
    given = {
        "model": "minilm",
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
    config = PruneConfig.make(loaded.task, data=source, **given)
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
    """Seconds of starting, medians of three.

    Returns:
        Until ``"help"`` has ended, until the ``"first line"`` of a run, and until its second one, when
        model and data are ``"loaded"``.
    """
    times: dict[str, list[float]] = {"help": [], "first line": [], "loaded": []}
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "deepcuts", "--help"], capture_output=True, check=True)
        times["help"].append(time.perf_counter() - started)
        with tempfile.TemporaryDirectory() as folder:
            asked = ["--model", "minilm", "--task", "minimal-pairs", "--density", "0.5"]
            started = time.perf_counter()
            run = subprocess.Popen(
                [sys.executable, "-m", "deepcuts", "prune", *asked, "-o", f"{folder}/run"],
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in ("first line", "loaded"):
                line = run.stderr.readline() if run.stderr else ""
                if not line.startswith(("loading minilm", "minilm on")):
                    raise RuntimeError(f"the command said {line!r}")
                times[name].append(time.perf_counter() - started)
            run.kill()
            run.communicate()
    return {name: statistics.median(values) for name, values in times.items()}


@contextlib.contextmanager
def _stopwatch(owner: Any, name: str, spent: dict[str, float], what: str) -> Iterator[None]:
    original: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = clock()
        try:
            return original(*args, **kwargs)
        finally:
            spent[what] += clock() - started

    own = name in vars(owner)
    setattr(owner, name, timed)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)
