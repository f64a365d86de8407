"""What a run would do, as ``--dry-run`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepcuts.cli.common import print_table, say

if TYPE_CHECKING:
    from deepcuts.runs.job import Job


def _chosen_on(task: Any) -> str:
    held_out = task.held_out
    if held_out is None:
        return "the dev rows, which the result is measured on too"
    return f"{len(held_out.rows):,} rows held out from train; the result is measured on dev"


def _tested_on(task: Any) -> list[str]:
    if task.test is None:
        return []
    return [
        f"test         {len(task.test):,} rows, on which the dense and the pruned model are measured once"
    ]


def print_preview(job: Job) -> None:
    """Print what a run would cut and how much work it would be; nothing is trained or written."""
    from deepcuts.masks.allocations import allocation_of
    from deepcuts.masks.selection import planned_counts
    from deepcuts.runs.plans import memory_of
    from deepcuts.runs.settings import options_read
    from deepcuts.scoring.memory import free_memory, gibibytes

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
    free = free_memory(next(iter(job.parameters.values())).device)
    task = job.task
    options = ", ".join(
        f"{option.setting.replace('_', ' ')} {getattr(config, option.setting)}"
        for option in options_read(strategy)
    )
    lines = [
        f"model        {config.model}: {job.total:,} parameters, {prunable:,} prunable, "
        f"{job.total - prunable:,} protected",
        f"task         {task.data.task.name}: {len(task.train):,} training rows, {len(task.dev):,} dev rows "
        f"({task.data.source}); {task.truncated:,} rows cut to {task.length} tokens",
        *(f"  {word:<11}{line}" for word, line in task.data.described),
        *(f"  note       {note}" for note in job.notes),
        f"cut          {strategy}, {allocation.scope} scope: {kept:,} weights kept, "
        f"density {kept / prunable:.4f}, compression {job.total / left:.3f}",
        f"epochs       chosen on {_chosen_on(task)}",
        *_tested_on(task),
        *(
            f"{previewed[0]:<13}{previewed[1]}"
            for step in job.steps
            if (previewed := step.preview(job)) is not None
        ),
        f"memory       {memory_of(job)} for scoring, beside the model and a batch"
        + ("" if free is None else f"; {gibibytes(free)} are free"),
        *([f"options      {options}"] if options else []),
    ]
    say("\n".join(lines))
