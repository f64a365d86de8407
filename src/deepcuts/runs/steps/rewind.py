"""Rewinding to the values that the model had at first."""

from __future__ import annotations

from dataclasses import dataclass

from deepcuts.common.store import Identity
from deepcuts.masks.rewinding import rewind
from deepcuts.runs.steps.step import Run, Step
from deepcuts.runs.steps.workpiece import Workpiece


@dataclass(frozen=True)
class Rewind(Step):
    """Give the model its values of θ0 back; masks stay, and a training that follows holds them."""

    kind = "rewind"

    def identity(self, piece: Workpiece, before: str) -> Identity:
        """What was before tells nothing of the values any more, but of the masks."""
        return Identity(self.kind, {"before": before})

    def do(self, run: Run, before: str) -> None:
        """Rewind, and check every value bit for bit."""
        with run.timed("rewind"):
            rewind(run.piece.model, run.piece.pretrained)
