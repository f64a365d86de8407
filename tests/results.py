"""What the results of made-up cells state, beside what was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from deepcuts.masks.bits import MaskBits
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.data import DataConfig
from deepcuts.scoring.strategy import Strategy
from deepcuts.tasks import Task

TOTAL = 4096  # parameters of the model that the results speak of, beside the prunable ones

#: Where a cell was made.
ENVIRONMENT = {
    "deepcuts": "0.1.0",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "python": "3.11.7",
    "packages": {
        "accelerate": "1.1.0", "datasets": "3.0.0", "numpy": "2.0.0", "safetensors": "0.4.5",
        "scipy": "1.11.0", "tokenizers": "0.20.0", "torch": "2.4.0",
        "transformers": "5.2.0",
    },
    "plugins": {},
    "platform": "Linux",
    "processor": "a processor",
    "threads": 1,
    "processes": 1,
    "device": "cpu",
}  # fmt: skip


def describe(config: Mapping[str, Any], task: Task, masks: MaskBits, rows: int) -> dict[str, Any]:
    """A result, but for what was measured."""
    made = PruneConfig.read({**config, "data": DataConfig(**config["data"])})
    strategy = Strategy.parse(made.strategy)
    prunable = sum(mask.weights for mask in masks.values())
    kept = sum(mask.kept for mask in masks.values())
    batches = strategy.limit(made.scoring()) or 0
    total = prunable + TOTAL
    return {
        "format": 2,
        "recipe": made.recipe,
        "strategy": made.strategy,
        "rewind": made.rewind,
        "seed": made.seed,
        "model": {
            "name": made.model,
            "class": "BertForSequenceClassification",
            "architecture": "bert",
            "parameters": total,
            "prunable": prunable,
            "start_digest": hashlib.sha256(str(made.seed).encode()).hexdigest(),
        },
        "task": {
            "name": task.name,
            "kind": task.kind,
            "primary": task.primary,
            "source": "made up",
            "digest": hashlib.sha256(task.name.encode()).hexdigest(),
            "train_rows": 10 * rows,
            "dev_rows": rows,
            "truncated_rows": 0,
            "max_length": made.max_length,
            "select_on": made.select_on,
            "held_out_rows": 0,
            "described": dict.fromkeys(("kind", "text", "label", "training", "dev"), "made up"),
        },
        "inputs": {
            **dict.fromkeys(("start", "config", "train", "dev"), "d" * 64),
            "transformers": "5.2.0",
        },
        "budget": {
            "asked": f"density {made.density:g}",
            "density": made.density,
            "scope": made.scope or strategy.scope,
            "kept": kept,
            "prunable": prunable,
        },
        "kept": {
            "weights": kept,
            "density": kept / prunable,
            "parameters_left": total - prunable + kept,
            "compression": total / (total - prunable + kept),
            "by_tensor": {name: mask.kept for name, mask in masks.items()},
        },
        "scoring": {
            **strategy.options_read(made.scoring()).as_dict(),
            "batch_size": made.score_batch_size,
            "batches": batches,
            "passes": batches * strategy.passes(made.scoring()),
        },
        "finetuning": {**asdict(made.finetuning()), "betas": list(made.betas)},
        "retraining": {**asdict(made.retraining()), "betas": list(made.betas)},
        "invariants": {
            "cut_weights_are_zero_after_retraining": True,
            "cut_weights_are_zero_in_the_saved_model": None,
            "saved_model_is_the_measured_one_bit_for_bit": None,
            "kept_weights_are_as_many_as_planned": True,
            "rewind_was_exact": made.rewind == "pretrained" or None,
        },
    }
