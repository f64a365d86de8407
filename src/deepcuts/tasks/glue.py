"""The paper's three GLUE tasks, from a folder or from the Hugging Face Hub.

Wang et al., "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding",
ICLR 2019 (arXiv:1804.07461). Schedules are the paper's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from deepcuts.common.errors import DataError, InputError, brief
from deepcuts.common.hub import hub_problem
from deepcuts.tasks.columns import Columns, read_columns
from deepcuts.tasks.named import register_task
from deepcuts.tasks.task import DEV, TRAIN, Schedule, Split, Task, TaskData, check

HUB = "nyu-mll/glue"

SST2 = Task(
    name="sst2",
    kind="classification",
    text_columns=("sentence",),
    label_column="label",
    labels=("negative", "positive"),
    primary="accuracy",
    schedule=Schedule(finetune_epochs=3, retrain_epochs=8, learning_rate=1e-5),
)
COLA = Task(
    name="cola",
    kind="classification",
    text_columns=("sentence",),
    label_column="label",
    labels=("unacceptable", "acceptable"),
    primary="matthews",
    schedule=Schedule(finetune_epochs=5, retrain_epochs=12, learning_rate=1e-5),
)
STSB = Task(
    name="stsb",
    kind="regression",
    text_columns=("sentence1", "sentence2"),
    label_column="score",
    output_range=(0.0, 5.0),
    primary="pearson",
    schedule=Schedule(finetune_epochs=8, retrain_epochs=10, learning_rate=2e-5),
)
GLUE = {task.name: task for task in (SST2, COLA, STSB)}
FOLDERS = {"sst2": "SST-2", "cola": "CoLA", "stsb": "STS-B"}


def load_glue(name: str, folder: Path | None = None) -> TaskData:
    """Load one of the three GLUE tasks.

    Args:
        name: "sst2", "cola" or "stsb".
        folder: A folder with ``train.tsv`` and ``dev.tsv``, or the folder above it, in which it is
            called ``SST-2``, ``CoLA`` or ``STS-B``. The files have a header line with the columns
            ``sentence`` and ``label``, or ``sentence1``, ``sentence2`` and ``score``, and no quoting.
            None loads `HUB` from the Hugging Face Hub, or from its cache on this machine when the Hub
            can't be reached or HF_HUB_OFFLINE is set.

    Returns:
        The task with its official train and dev splits. Scores of STS-B are rounded to 5 decimals.

    Raises:
        InputError: There is no such task.
        DataError: The data is not there, can't be read, or holds what the task does not allow.
    """
    if name not in GLUE:
        raise InputError("name", name, f"the GLUE tasks are {', '.join(GLUE)}")
    return _from_hub(GLUE[name]) if folder is None else _from_folder(GLUE[name], Path(folder))


def _from_folder(task: Task, folder: Path) -> TaskData:
    own = FOLDERS[task.name]
    place = folder / own if (folder / own).is_dir() else folder
    called = place.resolve().name
    if called in FOLDERS.values() and called != own:
        # CoLA's files would pass for SST-2's: same columns, same labels.
        raise DataError(f"{folder}: is the folder of another task than {task.name}, whose is called {own}")
    if not (place / "train.tsv").is_file():
        raise DataError(f"{folder}: holds neither {own}/train.tsv nor train.tsv")
    wanted = (*task.text_columns, task.label_column)
    train_columns, train_origin = read_columns(place / "train.tsv", wanted)
    dev_columns, dev_origin = read_columns(place / "dev.tsv", wanted)
    train, dev = _split(task, train_columns), _split(task, dev_columns)
    check(task, train, dev, (train_origin, dev_origin))
    return TaskData(task, train, dev, source=str(folder))


def _from_hub(task: Task) -> TaskData:
    splits = _fetch(task.name)
    try:
        train, dev = (_hub_split(task, splits[part].to_dict()) for part in ("train", "validation"))
    except KeyError as error:
        raise DataError(
            f"{HUB}, {task.name}: has no {error}; it is not the data set this was written for"
        ) from None
    check(task, train, dev, (TRAIN, DEV))
    return TaskData(task, train, dev, source=HUB)


def _hub_split(task: Task, columns: Columns) -> Split:
    return _split(task, {**columns, task.label_column: columns["label"]})


def _split(task: Task, columns: Columns) -> Split:
    texts = tuple(zip(*(columns[name] for name in task.text_columns), strict=True))
    return Split(texts, tuple(_target(task, value) for value in columns[task.label_column]))


def _target(task: Task, value: Any) -> Any:
    try:
        # The Hub stores scores as float32; rounded, 3.8 is the same number, and digest, from there too.
        return int(value) if task.labels else round(float(value), 5)
    except (TypeError, ValueError):
        return value  # `check` names it with its row


def _fetch(name: str) -> Any:
    """Load the `datasets.DatasetDict` of one task, without asking an unreachable Hub again and again."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"{HUB}, {name}: what is on the Hugging Face Hub needs an extra: pip install 'deepcuts[glue]'. "
            f"A folder does without, given with --data (it holds {FOLDERS[name]}/train.tsv and dev.tsv)"
        ) from None

    problem = hub_problem(HUB, "dataset")
    try:
        with _quiet(offline=problem is not None):
            return datasets.load_dataset(HUB, name)
    except Exception as error:  # `datasets` raises whatever its file systems and formats raise
        reason = problem or brief(error)
    raise DataError(
        f"{HUB}, {name}: can't be loaded from the Hugging Face Hub ({reason}) and is not in the cache of "
        f"this machine. Either give a folder with --data (it holds {FOLDERS[name]}/train.tsv and dev.tsv), "
        "or run once with network access, which fills the cache"
    )


@contextmanager
def _quiet(offline: bool) -> Iterator[None]:
    """Keep `datasets` from printing and, if `offline`, from using the network; then put all back."""
    import datasets
    import huggingface_hub.utils as hub

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars = [each for each in (datasets, hub) if not each.are_progress_bars_disabled()]
    was_offline = datasets.config.HF_HUB_OFFLINE
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        for each in bars:
            each.disable_progress_bars()
        datasets.config.HF_HUB_OFFLINE = was_offline or offline
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = was_offline
        for each in bars:
            each.enable_progress_bars()
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _load(name: str, folder: Path | None, seed: int) -> TaskData:
    return load_glue(name, folder)


for _name, _task in GLUE.items():
    register_task(_task, partial(_load, _name), _target)
