"""A training's epochs: what is measured after each, and how the Trainer's log tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deepcuts.tasks.constant import why_constant
from deepcuts.tasks.encoding import EncodedTask
from deepcuts.tasks.measures import baseline, measure

CONSTANT = "constant"  # beside the measures in the Trainer's log, which outlives an interruption


def measured_by(task: EncodedTask) -> Callable[[Any], dict[str, float]]:
    """What the Trainer measures to choose by: the measures, and whether the model is as good as constant."""
    asked = task.data.task
    constant = baseline(asked, task.data.train, task.chosen_on.rows)

    def metrics(found: Any) -> dict[str, float]:
        said, targets = found.predictions, found.label_ids
        measures = measure(asked, said, targets)
        why = why_constant(asked.kind, asked.primary, measures, constant, len(targets), said, targets)
        return {**measures, CONSTANT: float(why is not None)}

    return metrics


def epochs_of(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry an epoch from the Trainer's log, which holds losses and measures apart."""
    losses = {entry["step"]: entry["loss"] for entry in log if "loss" in entry}
    skipped = ("loss", "runtime", "samples_per_second", "steps_per_second")
    found = []
    for entry in (entry for entry in log if "eval_loss" in entry):
        measures = {
            name.removeprefix("eval_"): value
            for name, value in entry.items()
            if name.startswith("eval_") and name.removeprefix("eval_") not in skipped
        }
        found.append(
            {
                "epoch": round(entry["epoch"]),
                "step": entry["step"],
                "loss": losses.get(entry["step"]),
                # A checkpoint of an earlier version does not say it.
                "constant": bool(measures.pop(CONSTANT, False)),
                "measures": measures,
            }
        )
    return found
