"""What was measured on a machine, kept in the user's cache folder: the same machine answers the same.

A measurement of speed decides which layers run sparse, and so the last digits of what a model says. It is
made once for each question and each machine: processor, kernel and PyTorch. Where nothing can be
written, it is kept for the rest of the process alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from deepcuts.common.environment import processor
from deepcuts.common.files import read_json, write_json
from deepcuts.deploy.runtime import build, kernel

#: Environment variable that names the folder; by default ``deepcuts`` in the user's cache folder.
FOLDER = "DEEPCUTS_CACHE"

_METHOD = (
    1  # raised when a question is measured in another way, so that old answers are not taken for new ones
)

_logger = logging.getLogger(__name__)
_answers: dict[str, float] = {}


def recall(question: Mapping[str, Any], measure: Callable[[], float]) -> float:
    """The answer that this machine gave before, or else gives now.

    Args:
        question: What is asked, JSON-able.
        measure: Gives the answer, a finite number; called only where there is none yet.
    """
    asked = {"question": dict(question), "machine": machine(), "method": _METHOD}
    key = json.dumps(asked, sort_keys=True)
    if key not in _answers:
        path = _folder() / f"measured-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
        answer = _read(path, asked)
        if answer is None:
            measured = measure()
            answer = _read(path, asked)  # another process may have been faster; all shall say the same
            if answer is None:
                answer = measured
                _write(path, {**asked, "answer": answer})
        _answers[key] = answer
    return _answers[key]


def forget() -> None:
    """Forget what this process knows; what lies in the folder stays."""
    _answers.clear()


def machine() -> dict[str, Any]:
    """What speeds depend on, besides what is computed."""
    chosen = kernel.chosen()
    name, sources = _never_changes()
    return {
        "processor": name,
        "cpus": os.cpu_count(),
        "kernel": chosen.name if chosen else kernel.FALLBACK,
        "sources": sources if chosen else None,
        "torch": torch.__version__,
    }


@cache
def _never_changes() -> tuple[str, str]:
    return processor(), build.sources_digest()


def _folder() -> Path:
    named = os.environ.get(FOLDER)
    if named:
        return Path(named)
    user = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118
    return Path(user) / "deepcuts"  # Path.home() raises where there is no home; this then fails to be written


def _read(path: Path, asked: Mapping[str, Any]) -> float | None:
    """The answer in a file; None if there is none, or one that is damaged or to another question."""
    try:
        found = read_json(path)
        if all(found[name] == value for name, value in asked.items()):
            answer = float(found["answer"])
            return answer if math.isfinite(answer) else None
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    try:
        write_json(path, content)
    except OSError as error:
        _logger.info("%s: what was measured is not kept (%s)", path, error)
