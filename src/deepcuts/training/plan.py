"""How a model is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "bf16", "fp16"]
Decay = Literal["constant", "linear"]


@dataclass(frozen=True)
class TrainingPlan:
    """How a model is trained; everything in it can change the result.

    Attributes:
        epochs: Passes over the training rows.
        learning_rate: Adam's learning rate at its highest.
        batch_size: Rows a step and process, before accumulation.
        accumulation: Batches whose gradients are summed before a step.
        decay: ``"constant"``, or ``"linear"`` to 0 at the end.
        warmup: Share of all steps over which the learning rate rises from 0.
        weight_decay: AdamW's weight decay; 0 is plain Adam.
        betas: Adam's decay rates of the mean gradient and of its square; by default PyTorch's.
        clip: Greatest norm of the gradient; 0 doesn't clip.
        precision: ``"fp32"``, or autocast in ``"bf16"`` or ``"fp16"``.
        patience: Stop after so many epochs without a better dev measure; None trains all epochs.
        group_by_length: Whether a batch is drawn from rows of like length, which saves padding.
        seed: Seed of the order of the rows and of dropout.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 16
    accumulation: int = 1
    decay: Decay = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    precision: Precision = "fp32"
    patience: int | None = None
    group_by_length: bool = False
    seed: int = 0

    def steps(self, rows: int, processes: int = 1) -> int:
        """Optimizer steps over all epochs, for so many training rows on so many processes."""
        batches = -(-rows // (self.batch_size * processes))
        return self.epochs * max(1, -(-batches // self.accumulation))
