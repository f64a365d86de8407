"""The cut: masks from the last scores, put on the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from deepcuts.common.errors import InvariantError
from deepcuts.common.store import Identity
from deepcuts.masks.allocations import allocation_of
from deepcuts.masks.budget import Budget
from deepcuts.masks.holding import apply_masks
from deepcuts.masks.masks import Masks
from deepcuts.masks.selection import select
from deepcuts.runs.held import refusal
from deepcuts.runs.steps.step import Run, Step, said
from deepcuts.runs.steps.workpiece import Workpiece
from deepcuts.scoring.scores import Scores
from deepcuts.scoring.strategy import Strategy


@dataclass(frozen=True)
class Cut(Step):
    """Keep as many weights as a budget says, by the last scores; what has been cut before stays cut.

    Attributes:
        budget: How much is kept of all prunable weights.
        strategy: By whose scores, and in whose scope unless the budget has one.
    """

    budget: Budget
    strategy: Strategy

    kind = "cut"

    def identity(self, piece: Workpiece, before: str) -> Identity:
        """Share kept, how it is divided, and by which scores."""
        allocation = allocation_of(self.budget.scope or self.strategy.scope)
        content = {
            "before": before,
            "score": self.strategy.score,
            "inverted": self.strategy.inverted,
            "scope": allocation.scope,
            "options": allocation.changed(self.budget.options) or None,
            "density": str(self.budget.density),
        }
        return Identity(self.kind, said(content))

    def do(self, run: Run, before: str) -> None:
        """Make masks, and put them on the model."""
        with run.timed("cut"):
            scores = run.scored[-1].scores
            masks = select(scores if run.masks is None else below(scores, run.masks), self.budget)
            planned = self.budget.kept_in_all(masks.total)
            if masks.kept != planned:
                raise InvariantError(f"{masks.kept:,} weights are kept, {planned:,} were planned")
            _check_held(masks, run.piece.held)
            apply_masks(run.piece.model, masks)
        run.masks = masks


def _check_held(masks: Masks, held: Masks | None) -> None:
    """Refuse masks that keep a weight which was 0 at first and was to stay so.

    Raises:
        InputError: The budget keeps more of a tensor than it has left.
    """
    for name, mask in masks.items() if held is not None else ():
        assert held is not None
        before = held[name].to(mask.device)
        if bool((mask & ~before).any()):
            raise refusal(int(mask.sum()), f" of {name}", int(before.sum()))


def below(scores: Scores, masks: Masks) -> Scores:
    """Scores in which every weight that is cut already comes after all that aren't."""
    lowest = torch.stack([value.min() for value in scores.values()]).min()
    cut = torch.nextafter(lowest, lowest.new_tensor(-torch.inf))
    tensors = {name: torch.where(masks[name].to(value.device), value, cut) for name, value in scores.items()}
    return replace(scores, tensors=tensors)
