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

from deepcuts.common.environment import environment
from deepcuts.common.errors import FileFormatError, InputError, StageTakenError
from deepcuts.common.files import read_json, remove_leftovers, write_json
from deepcuts.common.processes import Processes

_RECORD = "stage.json"


@dataclass(frozen=True)
class Identity:
    """Everything that a stage depends on.

    What is at its default is left out of it, so that an option that is new makes no stage another one.

    Attributes:
        kind: What kind of stage, such as ``"finetune"``.
        content: What it depends on, JSON-able.
        former: How an earlier version identified the same stage; None where it would not have been the same.
    """

    kind: str
    content: Mapping[str, Any]
    former: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """Its digest."""
        return stage_key(self.kind, self.content)

    def key_in(self, root: Path) -> str:
        """The key of the folder that a store has, or will have, for it.

        An earlier version's is taken as it is, where the store has that and no other.
        """
        key = self.key
        if self.former is None or stage_folder(root, self.kind, key).is_dir():
            return key
        former = stage_key(self.kind, self.former)
        return former if stage_folder(root, self.kind, former).is_dir() else key

    def is_finished(self, root: Path) -> bool:
        """Whether a store holds the stage from its start to its end."""
        return is_finished(root, self.kind, self.key_in(root))


@dataclass(frozen=True)
class Stage:
    """One stage of a run: a folder for its files, and a record once it is finished.

    Attributes:
        key: Digest of everything that the stage depends on, 16 hexadecimal digits.
        folder: Where its files are; written by the first process only.
        record: What it found, JSON-able; None while it isn't finished.
        environment: What it was made with; None while it isn't finished, or where version 0.1 made it.
    """

    key: str
    folder: Path
    record: dict[str, Any] | None
    environment: dict[str, Any] | None = None

    def finish(self, record: Mapping[str, Any]) -> None:
        """Mark the stage as finished, in this environment; its files must be complete by now."""
        content = {"key": self.key, "record": dict(record), "environment": environment()}
        write_json(self.folder / _RECORD, content)

    def finished(self) -> Stage:
        """The stage with its record, once it has been finished, also since it was taken."""
        path = self.folder / _RECORD
        try:
            found = read_json(path)
            record, environment = dict(found["record"]), found.get("environment")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise FileFormatError(
                f"{path}: can't be read as a stage's record; delete {self.folder} to have it done again"
            ) from None
        return replace(self, record=record, environment=environment)


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
    def stage(self, identity: Identity, *, wait: bool = True) -> Iterator[Stage]:
        """Take one stage; another run that wants the same one waits until this one has left it.

        Args:
            identity: Everything that its result depends on.
            wait: Whether to wait for another run that has taken it.

        Raises:
            StageTakenError: Another run has taken it, and this one doesn't wait.
            InputError: What lies in its place is no stage.
            FileFormatError: Its record can't be read.
        """
        folder = stage_folder(self.root, identity.kind, identity.key_in(self.root))
        check_stage(folder)
        lock = FileLock(_lock_of(folder))
        if self._processes.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=-1 if wait else 0)
            except Timeout:
                raise StageTakenError(f"{folder}: another run works on it") from None
            if not (folder / _RECORD).exists():
                remove_leftovers(folder)
            if not (folder / "identity.json").exists():
                write_json(folder / "identity.json", {"kind": identity.kind, **identity.content})
        try:
            self._processes.wait()
            stage = Stage(identity.key, folder, None)
            if (folder / _RECORD).exists():
                stage = stage.finished()
            self._processes.wait()  # all have looked before any goes on to write
            yield stage
        finally:
            lock.release()

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        if self._processes.is_first:
            shutil.rmtree(self.root, ignore_errors=True)


def check_stage(folder: Path) -> None:
    """Refuse what lies in the place of a stage and is something else, before any work is done for it.

    Args:
        folder: The stage's.

    Raises:
        InputError: It is a file, or its lock is a folder, or one of them is a symbolic link, which would lead
            out of the store.
    """
    for part, is_folder in ((folder, True), (_lock_of(folder), False)):
        if part.is_symlink():
            raise InputError(
                "store", str(part), "it must not be a symbolic link: a store keeps its own files"
            )
        if part.exists() and part.is_dir() != is_folder:
            raise InputError("store", str(part), f"it must be a {'folder' if is_folder else 'file'}")


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


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
