"""What a process takes that does nothing but load a model in one way and run it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepcuts.common.errors import DeepcutsError
from deepcuts.deploy.bench.ways import Setting


@dataclass(frozen=True)
class Memory:
    """Bytes of such a process: Python, libraries and the model. None where the system does not tell.

    Attributes:
        resident: In memory after a batch was run.
        libraries: In memory once the libraries were imported, before the model was loaded.
        peak: The most that was, loading included.
        device: The most that PyTorch reserved on a GPU; None on the CPU.
    """

    resident: int | None
    libraries: int | None
    peak: int | None
    device: int | None = None

    @property
    def model(self) -> int | None:
        """What loading the model and running a batch added."""
        if self.resident is None or self.libraries is None:
            return None
        return self.resident - self.libraries


def measure_memory(way: str, folder: Path, inputs: Path, setting: Setting) -> Memory:
    """Load a model in a fresh process, run a batch, and see what that process takes.

    Args:
        way: The name of a way to run a model, see `deepcuts.deploy.bench.ways`.
        folder: What it loads.
        inputs: The batch: a file by ``numpy.savez``.
        setting: How.

    Raises:
        DeepcutsError: The process failed.
    """
    request = {"way": way, "folder": str(folder), "inputs": str(inputs), "setting": asdict(setting)}
    command = [sys.executable, "-m", "deepcuts.deploy.bench.one_process", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise DeepcutsError(f"its process failed: {last[0][:200]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # libraries may have talked before
    return Memory(**found)


def of_this_process() -> tuple[int | None, int | None]:
    """Bytes resident in memory now, and the most that ever were; None where the system does not tell."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return None, _peak()
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            found[name] = 1024 * int(value.split()[0])
    return found.get("VmRSS"), found.get("VmHWM", _peak())


def _peak() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
