"""A user's own Trainer as what a recipe is carried out on: its loop, its loss, its batches, its measures.

`prune_trainer` is the way in. Everything else here turns one of Hugging Face's Trainers, or a subclass of it,
into a `deepcuts.runs.steps.workpiece.Workpiece`; steps and recipes are those of ``deepcuts prune``.
"""

from __future__ import annotations
