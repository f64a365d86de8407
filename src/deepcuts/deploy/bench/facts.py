"""What a bench was made on and with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from deepcuts.common.environment import environment
from deepcuts.deploy.bench.subject import Subject
from deepcuts.deploy.bench.ways import Setting
from deepcuts.deploy.runtime import kernel
from deepcuts.tasks import TaskData

_RUNTIMES = ("onnxruntime", "openvino")


def facts(setting: Setting, subject: Subject, data: TaskData | None) -> dict[str, Any]:
    """Machine, versions, the kernel of the sparse runtime, the model's density, and the data's digest."""
    chosen = kernel.chosen() if setting.device == "cpu" else None
    fallback = kernel.FALLBACK if setting.device == "cpu" else None
    return {
        **environment(),
        "threads": setting.threads,
        "runtimes": {name: _version(name) for name in _RUNTIMES},
        "sparse_kernel": chosen.name if chosen else fallback,
        "model": type(subject.model).__name__,
        "parameters": sum(parameter.numel() for parameter in subject.model.parameters()),
        "density": subject.masks.density if subject.masks is not None else None,
        "data": data.digest if data is not None else None,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
