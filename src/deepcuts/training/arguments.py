"""The plan of a training in the Trainer's words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import TrainingArguments

from deepcuts.common.errors import InputError
from deepcuts.training.evaluation import EVALUATION_ROWS
from deepcuts.training.plan import TrainingPlan


def check_report_to(names: Sequence[str]) -> None:
    """Refuse experiment trackers that can't be reported to, before anything is loaded for a training.

    Raises:
        InputError: Transformers knows none of the name, or the tracker is not installed.
    """
    if not names:
        return
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    known, here = sorted(INTEGRATION_TO_CALLBACK), sorted(get_available_reporting_integrations())
    for name in names:
        if name in ("all", "none"):
            continue
        if name not in known:
            raise InputError("report_to", name, f"it must be one of {', '.join(known)}")
        if name not in here:
            installed = f"installed: {', '.join(here)}" if here else "none is"
            raise InputError("report_to", name, f"that is not installed here ({installed})")


def training_arguments(
    plan: TrainingPlan,
    folder: Path,
    metric: str,
    report_to: tuple[str, ...],
    *,
    lower_is_better: bool = False,
) -> TrainingArguments:
    """What the Trainer is given.

    Args:
        plan: How a model is trained.
        folder: Where checkpoints go.
        metric: The measure by which the best epoch is chosen, as the Trainer's log calls it.
        lower_is_better: Whether that measure is to be small.
        report_to: Experiment trackers that Transformers knows; none is asked for by default.
    """
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        max_steps=plan.most_steps if plan.most_steps is not None else -1,
        learning_rate=plan.learning_rate,
        per_device_train_batch_size=plan.batch_size,
        per_device_eval_batch_size=EVALUATION_ROWS,
        gradient_accumulation_steps=plan.accumulation,
        lr_scheduler_type=plan.decay
        if plan.warmup == 0 or plan.decay == "linear"
        else "constant_with_warmup",
        warmup_steps=plan.warmup,
        weight_decay=plan.weight_decay,
        adam_beta1=plan.betas[0],
        adam_beta2=plan.betas[1],
        max_grad_norm=plan.clip,
        optim="adamw_torch_fused",
        bf16=plan.precision == "bf16",
        fp16=plan.precision == "fp16",
        seed=plan.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        greater_is_better=not lower_is_better,
        save_total_limit=2,
        report_to=list(report_to) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        train_sampling_strategy="group_by_length" if plan.group_by_length else "random",
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    # With more, the Trainer would spread a batch over all visible GPUs, and make it so many times larger.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
