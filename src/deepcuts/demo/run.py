"""The demo: three scores and a control on one small real task, sharing the dense model and one sweep."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepcuts.common.files import check_output, write_atomically
from deepcuts.common.progress import Reporter
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.data import DataConfig
from deepcuts.runs.pipeline import prune_each
from deepcuts.tasks import Split, Task, TaskData

#: Subfolder of the demo's task as files, which show what one's own may look like.
DATA = "data"


@dataclass(frozen=True)
class Row:
    """One cut of the demo.

    Attributes:
        title: What the table calls it.
        strategy: The strategy.
        changes: In what its configuration differs from the others'.
    """

    title: str
    strategy: str
    changes: Mapping[str, Any] = field(default_factory=dict)


#: Run folder → cut. All but the last retrain from the fine-tuned values. What that gives over twelve seeds
#: and other arithmetic: docs/results/demo.md.
ROWS = {
    "LayerGradCAMShift": Row("Cam-Cut", "LayerGradCAMShift"),
    "best": Row("best: |w · g| above a floor", "FloorMagGrad", {"recipe": "best"}),
    "LayerMagWeight": Row("magnitude", "LayerMagWeight"),
    "Random": Row("random (control)", "Random"),
    "LayerGradCAMShift-pretrained": Row(
        "Cam-Cut, rewound as in the paper",
        "LayerGradCAMShift",
        {"rewind": "pretrained"},
    ),
}


def run_demo(output: Path, *, seed: int, density: float, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """Fine-tune MiniLM on minimal pairs, score it once, and cut and retrain it in each of `ROWS`' ways.

    Args:
        output: A folder for the runs, one a row, for what they share, and for the task as CSV files.
        seed: Seed of everything random.
        density: Share of prunable weights to keep.
        reporter: Where progress is shown.

    Returns:
        Name in `ROWS` → result, as in its ``result.json``.

    Raises:
        ModelError: The extra ``demo`` is not installed.
        InputError: `density` is not in (0, 1].
    """
    for name in (*ROWS, DATA, "shared"):
        check_output(output / name, folder=True)
    source = DataConfig(task="minimal-pairs")
    data = source.load()
    configs = {
        output / name: demo_config(source, data.task, row, seed, density) for name, row in ROWS.items()
    }
    results = prune_each(configs, data, output / "shared", reporter)
    write_atomically(output / DATA, lambda folder: _write_files(folder, data))
    return {folder.name: result for folder, result in results.items()}


def demo_config(source: DataConfig, task: Task, row: Row, seed: int, density: float) -> PruneConfig:
    """The configuration of one row."""
    settings: dict[str, Any] = {
        "rewind": "finetuned",
        "select_on": "dev",  # sentences are few, and with two epochs there is next to nothing to choose
        "group_by_length": True,
        "retrain_epochs": 2,
        "retrain_learning_rate": 2e-4,
        "decay": "linear",
        "warmup": 0.1,
        "precision": "bf16",
        "max_length": 32,
        "score_batches": 60,
    }
    about = {"model": "minilm", "data": source, "strategy": row.strategy, "density": density, "seed": seed}
    return PruneConfig.make(task, **{**settings, **row.changes, **about})


def _write_files(folder: Path, data: TaskData) -> None:
    folder.mkdir()
    for name, split in (("train", data.train), ("dev", data.dev)):
        (folder / f"{name}.csv").write_text(_csv(data.task, split), encoding="utf-8")


def _csv(task: Task, split: Split) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*task.text_columns, task.label_column])
    writer.writerows(
        [*texts, task.labels[int(target)]] for texts, target in zip(split.texts, split.targets, strict=True)
    )
    return text.getvalue()
