"""The cut: masks from the last scores, put on the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

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
from deepcuts.scoring.strategy import ScoreRequest, Strategy
from deepcuts.scoring.updates import updated_weights, updates_weights


@dataclass(frozen=True)
class Cut(Step):
    """Keep as many weights as a budget says, by the last scores.

    Attributes:
        budget: How much is kept of all prunable weights.
        strategy: By whose scores, and in whose scope unless the budget has one.
        update: By what kept weights get new values that make up for the cut ones, if its criterion gives any;
            None where the run goes back to earlier values, which these are not for.
        batch_size: Rows a batch, meanwhile.
        values_of: Name of the training whose weights those get that were cut and are kept now; None where
            what has been cut before stays cut.
    """

    budget: Budget
    strategy: Strategy
    update: ScoreRequest | None = None
    batch_size: int = 1
    values_of: str | None = None

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
            "updated": self.updates or None,
            "values": self.values_of,
        }
        return Identity(self.kind, said(content))

    @property
    def updates(self) -> bool:
        """Whether kept weights get new values."""
        return self.update is not None and updates_weights(self.update)

    def preview(self, piece: Workpiece) -> tuple[str, str] | None:
        """Whether kept weights are updated, where the criterion could."""
        if self.strategy.formula.update is None:
            return None
        if self.updates:
            return "update", f"kept weights make up for the cut ones, by {self.strategy.score}"
        needed = "one cut that a run goes on from, as --rewind finetuned does"
        return "update", f"none: new values by {self.strategy.score} need {needed}"

    def do(self, run: Run, before: str) -> None:
        """Make masks, and put them on the model."""
        with run.timed("cut"):
            scores = run.scored[-1].scores
            before_values = run.weights_after(self.values_of)
            stays = run.masks if before_values is None else run.piece.held
            masks = select(scores if stays is None else below(scores, stays), self.budget)
            planned = self.budget.kept_in_all(masks.total)
            if masks.kept != planned:
                raise InvariantError(f"{masks.kept:,} weights are kept, {planned:,} were planned")
            _check_held(masks, run.piece.held)
            values = self._updated(run.piece, masks) if self.updates else {}
            _write(run.piece, before_values or {})
            apply_masks(run.piece.model, masks)
            _write(run.piece, values)
        run.masks = masks

    def _updated(self, piece: Workpiece, masks: Masks) -> dict[str, Tensor]:
        request = self.update
        assert request is not None
        batches = piece.batches(self.batch_size, request.strategy.limit(request.options))
        names = list(piece.parameters)
        return updated_weights(
            piece.model, batches, masks, request, seed=piece.seed, loss_fn=piece.loss, prunable=names
        )


@torch.no_grad()
def _write(piece: Workpiece, values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        piece.parameters[name].copy_(value)


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
