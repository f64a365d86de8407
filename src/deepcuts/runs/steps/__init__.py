"""What recipes consist of: one file per kind of step, each with the identity of what it finds."""

from __future__ import annotations

from deepcuts.runs.steps.cut import Cut
from deepcuts.runs.steps.measure import Measure
from deepcuts.runs.steps.rewind import Rewind
from deepcuts.runs.steps.save import Save
from deepcuts.runs.steps.score import Score
from deepcuts.runs.steps.step import Run, Step, Work, do_steps, key_at_end, walk
from deepcuts.runs.steps.train import Train
from deepcuts.runs.steps.workpiece import Aim, Assessment, Workpiece

__all__ = [
    "Aim",
    "Assessment",
    "Cut",
    "Measure",
    "Rewind",
    "Run",
    "Save",
    "Score",
    "Step",
    "Train",
    "Work",
    "Workpiece",
    "do_steps",
    "key_at_end",
    "walk",
]
