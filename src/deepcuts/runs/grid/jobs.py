"""Models and data of a grid's cells, loaded once for the cells that share them."""

from __future__ import annotations

import json

from deepcuts.common.progress import Reporter
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.data import DataConfig, take_data
from deepcuts.runs.grid.file import Settings
from deepcuts.runs.job import LOADED, Job
from deepcuts.runs.preparing import prepare
from deepcuts.tasks import TaskData
from deepcuts.tasks.encoding import EncodedTask


class Jobs:
    """Loads what cells need, and keeps what the next one may need again: all data, and the last model.

    Args:
        reporter: Where the progress of the jobs is shown.
    """

    def __init__(self, reporter: Reporter | None = None) -> None:
        #: Where the progress of the jobs is shown.
        self.reporter = reporter or Reporter()
        self._data: dict[DataConfig, TaskData] = {}
        self._encoded: dict[str, EncodedTask] = {}
        self._last: tuple[str, Job] | None = None

    def config(self, settings: Settings) -> PruneConfig:
        """The configuration of a cell; its task's schedule fills what the settings leave open.

        Raises:
            DeepcutsError: A setting has a value that is not allowed, or the data can't be read.
        """
        source, rest = take_data(settings)
        return PruneConfig.make(self._load(source).task, **rest, data=source)

    def job(self, config: PruneConfig) -> Job:
        """The job of a cell; its model is in whatever state the last one left it.

        Raises:
            DeepcutsError: The model can't be loaded, or not be cut as asked.
        """
        key = loaded_key(config)
        if self._last is None or self._last[0] != key:
            self._last = None  # first, so that two models are never held at once
            shared = _text(config, LOADED - {"seed", "prunable", "select_on"})
            data = self._load(config.data)
            job = prepare(config, data, self.reporter, self._encoded.get(shared))
            self._encoded[shared] = job.task.whole or job.task
            self._last = key, job
        return self._last[1].with_config(config)

    def _load(self, source: DataConfig) -> TaskData:
        if source not in self._data:
            self._data[source] = source.load()
        return self._data[source]


def loaded_key(config: PruneConfig) -> str:
    """The same for two configurations that need the same model and data loaded."""
    return _text(config, LOADED)


def _text(config: PruneConfig, names: frozenset[str]) -> str:
    content = config.model_dump(mode="json", include=set(names))
    return json.dumps(content, sort_keys=True)
