"""The plan of a run, as ``--dry-run`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from deepcuts.cli.common import print_table

if TYPE_CHECKING:
    from deepcuts.runs.stages import Job


def print_plan(job: Job) -> None:
    """Print what a run would cut and how much work it would be; nothing is trained or written."""
    from deepcuts.masks.allocations import allocation_of
    from deepcuts.masks.selection import planned_counts
    from deepcuts.runs.stages import scoring_batches
    from deepcuts.scoring.scoring import count_passes

    config = job.config
    strategy = job.request.strategy
    allocation = allocation_of(job.budget.scope or strategy.scope)
    sizes = job.sizes
    prunable = sum(sizes.values())
    kept = job.budget.kept_in_all(prunable)
    shapes = {name: parameter.shape for name, parameter in job.parameters.items()}
    by_tensor = planned_counts(shapes, job.budget, allocation.scope)
    rows = [
        [name, f"{size:,}", f"{by_tensor[name]:,}" if by_tensor else "by score"]
        for name, size in sizes.items()
    ]
    print_table(
        "Prunable parameters",
        ["name", "weights", "kept"],
        [*rows, ["all", f"{prunable:,}", f"{kept:,}"]],
    )
    left = job.total - prunable + kept
    batches = len(scoring_batches(job, [job.request]))
    passes = count_passes([job.request], batches)
    finetuning, retraining = config.finetuning(), config.retraining()
    task, count = job.task, job.processes.count
    steps = [plan.steps(len(task.train), count) for plan in (finetuning, retraining)]
    lines = [
        f"model        {config.model}: {job.total:,} parameters, {prunable:,} prunable, "
        f"{job.total - prunable:,} protected",
        f"task         {task.data.task.name}: {len(task.train):,} training rows, {len(task.dev):,} dev rows "
        f"({task.data.source}); {task.truncated:,} rows cut to {config.max_length} tokens",
        f"cut          {strategy}, {allocation.scope} scope: {kept:,} weights kept, "
        f"density {kept / prunable:.4f}, compression {job.total / left:.3f}",
        f"fine-tune    {finetuning.epochs} epochs, {steps[0]:,} steps at {finetuning.learning_rate:g}",
        f"score        {batches:,} batches of {config.score_batch_size}, {passes:,} passes",
        f"retrain      {retraining.epochs} epochs, {steps[1]:,} steps at {retraining.learning_rate:g}, "
        f"from the {config.rewind} weights",
    ]
    typer.echo("\n".join(lines))
