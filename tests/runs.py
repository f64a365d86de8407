"""Tiny runs: a saved random model with its tokenizer, a learnable task of few rows, and a configuration."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

from models import tiny
from transformers import BertTokenizerFast

from deepcuts.runs.config import PruneConfig
from deepcuts.runs.data import DataConfig
from deepcuts.runs.job import Job
from deepcuts.runs.preparing import prepare

ANIMALS = ["dog", "cat", "cow", "hen", "pig", "fox"]
PLACES = ["here", "there", "home", "away", "inside"]


def tiny_model_folder(folder: Path, model_type: str = "bert", **overrides: Any) -> Path:
    """Save a tiny random model, as a pretrained one would be, with a tokenizer of whole words."""
    words = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "the", "is", "not", *ANIMALS, *PLACES]
    model = tiny(model_type, vocab_size=len(words), **overrides)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=24).save_pretrained(folder)
    return folder


def save_over(model: Any, folder: Path) -> None:
    """Save a model into the folder that it was loaded from: its weights may still lie in the file there."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
    model.save_pretrained(folder)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows(count: int, seed: int, regression: bool = False) -> list[dict[str, Any]]:
    """Sentences that a model can learn: the class says whether there is a "not"."""
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        negated = generator.random() < 0.5
        words = [
            "the",
            generator.choice(ANIMALS),
            "is",
            *(["not"] if negated else []),
            generator.choice(PLACES),
        ]
        target = (
            round(generator.uniform(0, 2) + 3 * negated, 2) if regression else ("no" if negated else "yes")
        )
        found.append({"text": " ".join(words), "target": target})
    return found


def data_config(folder: Path, *, train: int = 24, dev: int = 12, regression: bool = False) -> DataConfig:
    """Write a task's two files and name them."""
    return DataConfig(
        train=str(write_csv(folder / "train.csv", rows(train, 1, regression))),
        dev=str(write_csv(folder / "dev.csv", rows(dev, 2, regression))),
        text=("text",),
        label="target",
        kind="regression" if regression else "classification",
    )


def config(folder: Path, source: DataConfig | None = None, **changes: Any) -> PruneConfig:
    """A run of two epochs each on the tiny model in ``folder / "model"``."""
    if not (folder / "model").is_dir():
        tiny_model_folder(folder / "model")
    source = source or data_config(folder)
    given: dict[str, Any] = {
        "model": str(folder / "model"),
        "data": source,
        "strategy": "LayerGradCAMShift",
        "density": 0.3,
        "finetune_epochs": 2,
        "retrain_epochs": 2,
        "learning_rate": 1e-2,
        "batch_size": 8,
        "score_batch_size": 4,
        "paths": 2,
        "select_on": "dev",  # so few rows leave none to hold out
        **changes,
    }
    return PruneConfig.make(source.load().task, **given)


def job(folder: Path, source: DataConfig | None = None, **changes: Any) -> Job:
    """A prepared job of such a run."""
    made = config(folder, source, **changes)
    return prepare(made, made.data.load())


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what two runs need not share: the seconds, and what they were made with."""
    return {name: value for name, value in result.items() if name not in ("seconds", "environments")}
