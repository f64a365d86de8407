"""The folder of one run: opened for exactly one configuration, and for one command at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from deepcuts.common.environment import environment
from deepcuts.common.errors import FileFormatError, InputError, RunFolderError, brief
from deepcuts.common.files import check_output, read_json, remove_leftovers, write_json
from deepcuts.common.processes import Processes

if TYPE_CHECKING:
    from deepcuts.runs.config import PruneConfig
from deepcuts.runs.settings import former, with_former

CONFIG = "config.json"
ENVIRONMENT = "environment.json"
HISTORY = "history.json"
LOGS = "logs"
MASKS = "masks.safetensors"
MODEL = "model"
PREDICTIONS = "predictions.safetensors"
RESULT = "result.json"
SCORES = "scores.safetensors"
TESTED = "predictions-test.safetensors"
WORK = "work"
_LOCK = ".lock"
_FILES = (RESULT, CONFIG, ENVIRONMENT, HISTORY, MASKS, PREDICTIONS, TESTED, SCORES)
_FOLDERS = (LOGS, MODEL, WORK)


def check_run_folder(folder: Path, config: PruneConfig, overwrite: bool) -> None:
    """Refuse a folder that holds something else than this very run; nothing is changed.

    Raises:
        RunFolderError: It holds a run of another configuration (the message says what differs), or
            files that are no run at all.
    """
    check_output(folder)
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"output: {str(folder)!r} is a file; name a folder")
    _check_parts(folder)
    if not folder.exists() or all(path.name.startswith(".") for path in folder.iterdir()):
        return
    saved = _saved(folder)
    if saved is None:  # never overwritten: what is there is not ours
        raise RunFolderError(f"output: {str(folder)!r} holds files that are no run; name another folder")
    differences = config.differences(saved)
    if differences and not overwrite:
        listed = "; ".join(f"{name}: {old!r} there, {new!r} now" for name, (old, new) in differences.items())
        raise RunFolderError(
            f"output: {str(folder)!r} holds a run of another configuration ({listed}); name another folder, "
            "or replace it with --overwrite"
        )


@contextmanager
def open_run(
    folder: Path, config: PruneConfig, processes: Processes, *, overwrite: bool = False
) -> Iterator[Path]:
    """Take a run folder for this configuration, new or to go on with.

    Args:
        folder: The folder; made if it is not there.
        config: What runs in it.
        processes: The processes of this run.
        overwrite: Whether a run that is there is deleted first.

    Raises:
        RunFolderError: See `check_run_folder`; or another command works in it.
    """
    check_run_folder(folder, config, overwrite)
    processes.wait()  # all have looked before the first one writes
    if not processes.is_first:
        processes.wait()
        yield folder
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(f"output: another command is working in {str(folder)!r}") from None
    try:
        remove_leftovers(folder)
        if overwrite:
            _clear(folder)
        if not (folder / CONFIG).exists():
            write_json(folder / CONFIG, config.model_dump(mode="json"))
        if finished_result(folder) is None:  # what a finished run was made with stays
            write_json(folder / ENVIRONMENT, environment())
        processes.wait()
        yield folder
    finally:
        lock.release()


def finished_result(folder: Path) -> dict[str, Any] | None:
    """The result of a run that is finished; None where it isn't.

    Raises:
        FileFormatError: It can't be read, or is none.
    """
    if not (folder / RESULT).is_file():
        return None
    try:
        result = read_json(folder / RESULT)
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{folder / RESULT}: can't be read ({brief(error)})") from None
    if not isinstance(result, dict):
        raise FileFormatError(f"{folder / RESULT}: is no result of a run")
    return result


def saved_config(folder: Path, *, by_trainers: bool = False) -> dict[str, Any] | None:
    """The configuration of a finished run, if asked also of one by a user's own Trainer; None for none.

    Raises:
        FileFormatError: There is one, and it can't be read.
    """
    if not (folder / RESULT).is_file():
        return None
    if (folder / CONFIG).is_file():
        try:
            read_json(folder / CONFIG)
        except (OSError, ValueError, RecursionError) as error:
            raise FileFormatError(f"{folder / CONFIG}: can't be read ({brief(error)})") from None
    saved = _saved(folder)
    return None if saved is None or (is_by_trainer(saved) and not by_trainers) else saved


def is_by_trainer(saved: Mapping[str, Any]) -> bool:
    """Whether a configuration is of a run by a user's own Trainer, which knows data and lengths itself."""
    return isinstance(saved.get("data"), Mapping) and "trainer" in saved["data"]


def former_settings(folder: Path) -> dict[str, Any]:
    """What a run in a folder is asked for again by, where its version knew of no other way."""
    try:
        saved = read_json(folder / CONFIG)
    except (OSError, ValueError):
        return {}
    return former(saved) if isinstance(saved, dict) and "strategy" in saved else {}


def mask_file(path: Path) -> Path:
    """The mask file that a run folder holds, or the path itself if it is a file.

    Raises:
        InputError: The path is a folder without one.
    """
    if path.is_dir() and not (path / MASKS).is_file():
        raise InputError("path", str(path), f"it must be a mask file or a run folder with {MASKS} in it")
    return path / MASKS if path.is_dir() else path


def finish(folder: Path, processes: Processes, result: dict[str, Any], history: dict[str, Any]) -> None:
    """Write the last files of a run; with its result in place it is finished."""
    if processes.is_first:
        write_json(folder / HISTORY, history)
        write_json(folder / RESULT, result)
    processes.wait()


def _check_parts(folder: Path) -> None:
    """Refuse what lies where a run writes and is something else: found now, and not after the training.

    A symbolic link is refused whatever it points to: what is written would take its place.
    """
    for name in (*_FILES, *_FOLDERS, _LOCK):
        part = folder / name
        if part.is_symlink():
            raise RunFolderError(f"output: {str(part)!r} is a symbolic link, where a run writes its own")
        if part.exists() and part.is_dir() != (name in _FOLDERS):
            raise RunFolderError(f"output: {str(part)!r} is {'a folder' if part.is_dir() else 'a file'}")
        if part.exists() and not os.access(part, os.W_OK):
            raise RunFolderError(f"output: {str(part)!r} may not be written to")


def _clear(folder: Path) -> None:
    """Delete what a run writes, and nothing else that may lie beside it."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)


def _saved(folder: Path) -> dict[str, Any] | None:
    """The configuration that a folder's run was made with; None if the folder holds no run."""
    try:
        saved = read_json(folder / CONFIG)
    except (OSError, ValueError):
        return None
    # A saved model has a config.json as well.
    is_run = isinstance(saved, dict) and {"strategy", "rewind", "data"} <= saved.keys()
    return with_former(saved) if is_run else None
