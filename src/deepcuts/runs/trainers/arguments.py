"""A Trainer's arguments: what of them tells results apart, and as each training of a run needs them."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepcuts.training.plan import TrainingPlan

#: What is only where to, how often told, and how fast; the beginnings of names count.
_SILENT = (
    "_", "output_dir", "logging_", "log_", "report_to", "run_name", "project", "trackio", "disable_tqdm",
    "hub_", "push_to_hub", "save_", "dataloader_num_workers", "dataloader_pin", "dataloader_persist",
    "dataloader_prefetch", "skip_memory", "resume_from", "local_rank", "ddp_timeout", "do_", "debug",
    "use_cpu", "enable_jit", "include_", "batch_eval", "torch_empty_cache", "eval_accumulation",
    "per_device_eval", "restore_callback", "overwrite_output",
)  # fmt: skip


def said_by(args: Any) -> dict[str, Any]:
    """The arguments that can change a number, JSON-able; None and empty ones are left out."""
    return {
        name: _plain(value)
        for name, value in sorted(args.to_dict().items())
        if not name.startswith(_SILENT) and value not in (None, {}, [], "")
    }


def epochs_of(args: Any) -> int:
    """How often the Trainer goes through its rows, begun times counted whole."""
    return max(1, math.ceil(float(args.num_train_epochs)))


def planned_by(args: Any) -> dict[str, Any]:
    """What the arguments say in this project's words, as fields of a configuration."""
    return {
        "learning_rate": float(args.learning_rate),
        "batch_size": args.per_device_train_batch_size,
        "accumulation": args.gradient_accumulation_steps,
        "weight_decay": float(args.weight_decay),
        "precision": "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32",
        "clip": float(args.max_grad_norm or 0.0),
    }


def arguments_for(args: Any, own: TrainingPlan, plan: TrainingPlan, folder: Path) -> Any:
    """The Trainer's arguments for one training of a run.

    Args:
        args: The Trainer's.
        own: What they say, in this project's words.
        plan: What is asked for; what it has in common with `own` stays as the Trainer has it.
        folder: Where checkpoints go; after every epoch, unless the Trainer saves in another rhythm, so that
            an interrupted training can go on.
    """
    found = copy.copy(args)
    found.output_dir = str(folder)
    found.seed = plan.seed
    if plan.epochs != own.epochs:
        found.num_train_epochs = float(plan.epochs)
    if plan.learning_rate != own.learning_rate:
        found.learning_rate = plan.learning_rate
    if plan.most_steps != own.most_steps:
        found.max_steps = -1 if plan.most_steps is None else plan.most_steps
    if str(getattr(found.save_strategy, "value", found.save_strategy)) == "no":
        found.save_strategy = type(found.save_strategy)("epoch")
        found.save_total_limit = 1
    found.save_only_model = False
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
