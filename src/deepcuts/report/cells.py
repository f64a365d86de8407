"""The cells of a store as a report sees them: what each is, what it found, or that it is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deepcuts.common import tensor_file
from deepcuts.common.errors import FileFormatError, InputError, brief
from deepcuts.runs import run_folder
from deepcuts.runs.grid.records import CellRecord
from deepcuts.runs.result import RESULT_VERSION
from deepcuts.runs.settings import ABOUT, BUDGETS, SCORING, names_of, options_read, panels
from deepcuts.scoring.strategy import Strategy, paper_strategies

Array = np.ndarray[Any, Any]
Phase = Literal["pruned", "retrained"]

#: Phase → what it is called in sentences and titles.
PHASES: dict[Phase, str] = {"retrained": "after retraining", "pruned": "before retraining"}


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        record: Where it is in the store, and its status.
        model: Short name of the model.
        task: Short name of the task.
        strategy: Name of the strategy.
        seed: Seed.
        options: The options of scoring that this strategy reads, by their name in the configuration.
        setting: Every other part of its configuration.
        result: Its result; None unless it is done.
        environment: What it was made with; None unless it is done.
    """

    record: CellRecord
    model: str
    task: str
    strategy: str
    seed: int
    options: Mapping[str, Any]
    setting: Mapping[str, Any]
    result: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None

    @property
    def found(self) -> Mapping[str, Any]:
        """The result of a cell that is done."""
        if self.result is None:
            raise InputError(
                "cell", self.record.key, f"it is {self.record.status}; only a done one has a result"
            )
        return self.result

    @property
    def budget(self) -> str:
        """How its budget was asked for, such as ``"density 0.147"``."""
        config = self.record.config
        names = ("density", "compression", "sparsity")
        return next(f"{name} {config[name]:g}" for name in names if config.get(name) is not None)

    @property
    def density(self) -> float:
        """Share of the prunable weights that a done cell keeps, to six digits."""
        return round(float(self.found["kept"]["density"]), 6)

    @property
    def is_control(self) -> bool:
        """Whether its strategy is a control."""
        return is_control(self.strategy)

    @property
    def mask_file(self) -> Path:
        """Its masks; the file may be missing."""
        return self.record.folder / run_folder.MASKS

    def predictions(self) -> dict[str, Array] | None:
        """``dense``, ``pruned`` and ``retrained``, ``(rows, outputs)``, and ``targets``; None if not kept."""
        path = self.record.folder / run_folder.PREDICTIONS
        if not path.is_file():
            return None
        tensors, _ = tensor_file.load(path, "predictions")
        return {name: tensor.numpy() for name, tensor in tensors.items()}


def is_control(strategy: str) -> bool:
    """Whether a strategy of that name is a control."""
    return Strategy.parse(strategy).is_control


def strategy_order(strategy: str) -> tuple[bool, int, str]:
    """Sort key: the paper's strategies as the paper lists them, then others, then controls."""
    paper = paper_strategies()
    rank = paper.index(strategy) if strategy in paper else len(paper)
    return is_control(strategy), rank, strategy


def load_cell(record: CellRecord) -> Cell:
    """Read what a report needs of one cell.

    Raises:
        FileFormatError: Its result can't be read, or has a format that this version doesn't know.
    """
    config, result, environment = record.config, None, None
    if record.status == "done":
        try:
            result = record.result
        except (OSError, ValueError, RecursionError) as error:
            raise FileFormatError(f"{record.folder}: a cell's files can't be read ({brief(error)})") from None
        try:
            environment = record.environment
        except (OSError, ValueError, RecursionError):
            environment = {}  # what it was made with is not known
        if not isinstance(result, dict):
            raise FileFormatError(f"{record.folder}: its result is none")
        if result.get("format") != RESULT_VERSION:
            raise FileFormatError(
                f"{record.folder}: its result has format {result.get('format')!r}; this version reads "
                f"format {RESULT_VERSION}"
            )
    options = options_of_scores(config)
    apart = _apart()
    setting = {name: value for name, value in config.items() if name not in apart}
    data = config["data"]
    described = result.get("task") if result else None
    named = described.get("name") if isinstance(described, Mapping) else None
    task = named or data["task"] or Path(data["train"]).stem
    return Cell(
        record=record,
        model=short_name(str(config["model"])),
        task=str(task),
        strategy=str((result or {}).get("strategy", config["strategy"])),
        seed=int(config["seed"]),
        options=options,
        setting=setting,
        result=result,
        environment=environment,
    )


def options_of_scores(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of scoring in a configuration that can change its strategy's scores."""
    read = options_read(Strategy.parse(str(config["strategy"])))
    # An option that is younger than the configuration was at its default.
    defaults = {option.setting: option.default for option in read}
    return {name: config.get(name, defaults[name]) for name in sorted(defaults)}


def _apart() -> set[str]:
    """What a setting does not consist of: what names a curve and a point on it, and options of scoring."""
    by_panel = panels()
    return {"data", "strategy", *BUDGETS, *names_of(by_panel[ABOUT]), *names_of(by_panel[SCORING])}


def short_name(name: str) -> str:
    """A model's name; of a path its last part."""
    return Path(name).name if Path(name).is_absolute() else name


def seeds_of(cells: Sequence[Cell]) -> list[int]:
    """The seeds of cells, ascending, each once."""
    return sorted({cell.seed for cell in cells})
