"""How a model is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deepcuts.common.errors import InputError
from deepcuts.common.options import options_of, setting
from deepcuts.common.seeds import check_seed

if TYPE_CHECKING:
    from deepcuts.tasks import Task

Precision = Literal["fp32", "bf16", "fp16"]
Decay = Literal["constant", "linear"]


@dataclass(frozen=True)
class TrainingPlan:
    """How a model is trained; everything in it can change the result.

    Attributes:
        epochs: Passes over the training rows.
        learning_rate: Adam's learning rate at its highest.
        batch_size: Rows a step and process, before accumulation.
        accumulation: Batches of a step, which is that of one batch of all their rows.
        decay: ``"constant"``, or ``"linear"`` to 0 at the end.
        warmup: Share of all steps over which the learning rate rises from 0.
        weight_decay: AdamW's weight decay; 0 is plain Adam.
        betas: Adam's decay rates of the mean gradient and of its square; by default PyTorch's.
        clip: Greatest norm of the gradient; 0 doesn't clip.
        precision: ``"fp32"``, or autocast in ``"bf16"`` or ``"fp16"``.
        patience: Stop after so many epochs without a better dev measure; None trains all epochs.
        select_by: The measure by which the best epoch is chosen; None takes the task's primary one.
        class_weights: ``"none"``, or ``"balanced"``: rows of a rare class count more in the loss.
        group_by_length: Whether a batch is drawn from rows of like length, which saves padding.
        seed: Seed of the order of the rows and of dropout.
        part: ``"all"`` parameters are trained, or the ``"small"`` ones alone: biases and normalisations.
        most_steps: Optimizer steps at most, whatever the epochs are; None for all.

    Raises:
        InputError: A value is not allowed.
    """

    epochs: int
    learning_rate: float
    batch_size: int = setting(16, "Rows a step.", at_least=1)
    accumulation: int = setting(1, "Batches a step.", at_least=1)
    decay: Decay = setting("constant", "How the learning rate goes on: constant or linear.")
    warmup: float = setting(0.0, "Share of steps to warm up over.", at_least=0, below=1)
    weight_decay: float = setting(0.0, "AdamW's.", at_least=0)
    betas: tuple[float, float] = setting((0.9, 0.999), "Adam's.", at_least=0, below=1)
    clip: float = setting(1.0, "Greatest norm of the gradient, 0 for any.", at_least=0)
    precision: Precision = setting("fp32", "fp32, bf16 or fp16.")
    patience: int | None = setting(None, "Stop after so many epochs without a better dev.", at_least=1)
    select_by: str | None = setting(None, "Measure that the best epoch is chosen by.")
    class_weights: Literal["none", "balanced"] = setting(
        "none", "balanced: a row counts the more in the loss the rarer its class is."
    )
    group_by_length: bool = setting(False, "Batches of rows of like length, to save padding.")
    seed: int = 0
    part: Literal["all", "small"] = "all"
    most_steps: int | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for option in options_of(TrainingPlan):
            option.checked(getattr(self, option.name))

    def check_for(self, task: Task) -> None:
        """Refuse a plan that a task's kind can't be trained by.

        Raises:
            InputError: It has no such measure, or no classes to weigh.
        """
        from deepcuts.tasks import kind_of

        kind = kind_of(task)
        measures = kind.measures_of(task.labels)
        if self.select_by is not None and self.select_by not in measures:
            raise InputError(
                "select_by", self.select_by, f"the measures of {kind.name} are {', '.join(measures)}"
            )
        if self.class_weights != "none" and (kind.has_own_loss or kind.class_weights(task, [0]) is None):
            raise InputError(
                "class_weights",
                self.class_weights,
                f"a task of the kind {kind.name} has no classes that could be weighed",
            )

    def steps(self, rows: int, processes: int = 1) -> int:
        """Optimizer steps over all epochs, for so many training rows on so many processes."""
        batches = -(-rows // (self.batch_size * processes))
        steps = self.epochs * max(1, -(-batches // self.accumulation))
        return steps if self.most_steps is None else min(steps, self.most_steps)
