"""Programs on several processes, as ``torchrun`` starts them."""

from __future__ import annotations

import os
import subprocess
import sys


def launch(arguments: list[str], processes: int = 2) -> subprocess.CompletedProcess[str]:
    """Run a Python program as ``torchrun`` does."""
    paths = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={processes}",
            *arguments,
        ],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
