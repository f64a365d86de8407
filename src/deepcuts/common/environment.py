"""What a result was made with: versions, commit, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from deepcuts.common import plugins
from deepcuts.common.version import __version__

_PACKAGES = (
    "accelerate",
    "datasets",
    "numpy",
    "safetensors",
    "scipy",
    "tokenizers",
    "torch",
)


def environment() -> dict[str, Any]:
    """Versions of everything that can change a number, the commit of this package, and the machine."""
    packages = {name: _version(name) for name in (*_PACKAGES, "transformers")}
    return {
        "deepcuts": __version__,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": _is_dirty(),
        "python": platform.python_version(),
        "packages": packages,
        "plugins": plugins.described(),
        "platform": platform.platform(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Output of git in the folder of this package, if that is a checkout of this project."""
    folder = Path(__file__).resolve().parent
    if not (folder.parents[2] / ".git").exists():  # installed: the folder may lie in someone else's checkout
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _is_dirty() -> bool | None:
    status = _git("status", "--porcelain")
    return None if status is None else bool(status)


def processor() -> str:
    """The processor's name; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
