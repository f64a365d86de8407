"""Scoring by two processes beside one: each takes half of the batches, and the sums are added once.

As a program, under ``torchrun``, it prints the seconds of one sweep.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice, repeat

import torch

from benchmarks.shapes import batch_of, model_of
from deepcuts import score
from deepcuts.common.timing import clock


def measure_parallel(batches: int = 40, tokens: int = 32) -> dict[str, float]:
    """Seconds of a sweep of Cam-Cut over MiniLM in one process and in two.

    On a processor each process has one thread, so that two have twice what one has. On GPUs each has one,
    if there are two.
    """
    alone, together = (_seconds(count, batches, tokens) for count in (1, 2))
    return {"one_process": alone, "two_processes": together, "ratio": together / alone, "batches": batches}


def _seconds(processes: int, batches: int, tokens: int) -> float:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*launcher, str(processes), "-m", "benchmarks.parallel", str(batches), str(tokens)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(done.stderr[-2000:])
    return float(json.loads(lines[-1])["seconds"])


def _main(batches: int, tokens: int) -> None:
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    # Of NCCL every process needs a GPU of its own.
    enough = on_gpus and torch.cuda.device_count() >= int(os.environ["WORLD_SIZE"])
    torch.distributed.init_process_group("nccl" if enough else "gloo")
    model, batch = model_of("MiniLM"), batch_of(tokens)
    seconds = 0.0
    for count in (2, batches):  # the first sweep warms up
        torch.distributed.barrier()
        started = clock()
        score(model, islice(repeat(batch), count), ["LayerGradCAMShift"], distributed=True)
        seconds = clock() - started
    if torch.distributed.get_rank() == 0:
        print(json.dumps({"seconds": seconds}), flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
