"""Measuring the model as it is."""

from __future__ import annotations

from dataclasses import dataclass

from deepcuts.runs.steps.step import Run, Step


@dataclass(frozen=True)
class Measure(Step):
    """Measure the model as it is on the dev rows.

    Attributes:
        phase: What it is called in a result, such as ``"pruned"``.
    """

    phase: str

    kind = "measure"

    def do(self, run: Run, before: str) -> None:
        """Keep what it says of the dev rows, and how good that is."""
        with run.timed("evaluate"):
            run.take(self.phase, run.piece.assess())
