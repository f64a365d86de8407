"""Finished stages of runs, found again by what they depend on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from deepcuts.common.errors import StageTakenError
from deepcuts.common.files import read_json, write_json
from deepcuts.common.processes import Processes

_RECORD = "stage.json"


@dataclass(frozen=True)
class Stage:
    """One stage of a run: a folder for its files, and a record once it is finished.

    Attributes:
        key: Digest of everything that the stage depends on, 16 hexadecimal digits.
        folder: Where its files are; written by the first process only.
        record: What it found, JSON-able; None while it isn't finished.
    """

    key: str
    folder: Path
    record: dict[str, Any] | None

    def finish(self, record: Mapping[str, Any]) -> None:
        """Mark the stage as finished; its files must be complete by now."""
        write_json(self.folder / _RECORD, {"key": self.key, "record": dict(record)})

    def finished(self) -> dict[str, Any]:
        """The record of a stage that has been finished, also since it was taken."""
        record: dict[str, Any] = read_json(self.folder / _RECORD)["record"]
        return record


class Store:
    """A folder of stages, which several runs, also at the same time, may share.

    Args:
        root: The folder; made when it is first needed.
        processes: The processes of this run; they take each stage together.
    """

    def __init__(self, root: Path, processes: Processes) -> None:
        self.root = root
        self._processes = processes

    @contextmanager
    def stage(self, kind: str, identity: Mapping[str, Any], *, wait: bool = True) -> Iterator[Stage]:
        """Take one stage; another run that wants the same one waits until this one has left it.

        Args:
            kind: What kind of stage, such as ``"finetune"``.
            identity: Everything that its result depends on, JSON-able.
            wait: Whether to wait for another run that has taken it.

        Raises:
            StageTakenError: Another run has taken it, and this one doesn't wait.
        """
        key = stage_key(kind, identity)
        folder = stage_folder(self.root, kind, key)
        lock = FileLock(self.root / f".{kind}-{key}.lock")
        if self._processes.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=-1 if wait else 0)
            except Timeout:
                raise StageTakenError(f"{folder}: another run works on it") from None
            if not (folder / "identity.json").exists():
                write_json(folder / "identity.json", {"kind": kind, **identity})
        try:
            self._processes.wait()
            stage = Stage(key, folder, None)
            if (folder / _RECORD).exists():
                stage = replace(stage, record=stage.finished())
            self._processes.wait()  # all have looked before any goes on to write
            yield stage
        finally:
            lock.release()

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        if self._processes.is_first:
            shutil.rmtree(self.root, ignore_errors=True)


def stage_folder(root: Path, kind: str, key: str) -> Path:
    """Where a store keeps the files of one stage."""
    return root / f"{kind}-{key}"


def is_finished(root: Path, kind: str, key: str) -> bool:
    """Whether a store holds a stage from its start to its end."""
    return (stage_folder(root, kind, key) / _RECORD).is_file()


def stage_key(kind: str, identity: Mapping[str, Any]) -> str:
    """Digest of a stage's identity, 16 hexadecimal digits."""
    text = json.dumps({"kind": kind, **identity}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
