"""What is settled of a run before its first step, whatever loop its model is trained by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from torch import nn

from deepcuts.common.processes import Processes
from deepcuts.common.progress import Reporter
from deepcuts.masks.budget import Budget
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.held import masks_of_others
from deepcuts.runs.recipes import Recipe, recipe_named
from deepcuts.runs.steps.step import Run, Step
from deepcuts.scoring.strategy import ScoreRequest, Strategy


class Planned(ABC):
    """A configuration on a model: the steps, and what they need to know of the cut.

    Together with what a subclass adds it is a `deepcuts.runs.steps.workpiece.Workpiece`.

    Attributes:
        config: The configuration.
        model: The model, on its device; at its start when it is prepared.
        start: What it is before the first step.
        parameters: The prunable parameters of `model`.
        budget: How much is kept.
        processes: The processes that share the work.
        reporter: Where progress is shown.
    """

    config: PruneConfig
    model: nn.Module
    start: Snapshot
    parameters: Mapping[str, nn.Parameter]
    budget: Budget
    processes: Processes
    reporter: Reporter

    @property
    @abstractmethod
    def subject(self) -> str:
        """Model and task in a few words."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What a user should know of what will be done, a sentence each."""

    @property
    @abstractmethod
    def described(self) -> Sequence[tuple[str, str]]:
        """What was guessed of the task: a word, and a line."""

    def tested(self, run: Run) -> dict[str, Any]:
        """What a result says of rows that are measured once, when all steps are done; empty without any."""
        return {}

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What a result says of model, task, inputs and baseline, each under its name."""

    @cached_property
    def steps(self) -> Sequence[Step]:
        """The steps of its recipe."""
        return tuple(self.recipe.steps(self))

    @property
    def recipe(self) -> Recipe:
        """Its recipe."""
        return recipe_named(self.config.recipe)

    @property
    def title(self) -> str:
        """What is done, in a line."""
        prunable = sum(self.sizes.values())
        return (
            f"{self.subject}: {self.request.strategy} keeps "
            f"{self.budget.kept_in_all(prunable):,} of {prunable:,} prunable weights"
        )

    @property
    def request(self) -> ScoreRequest:
        """What its weights are scored by."""
        return ScoreRequest(Strategy.parse(self.config.strategy), self.config.scoring())

    @cached_property
    def held(self) -> Masks | None:
        """The weights that are not 0 at the start, if those that are should stay so."""
        if not self.config.keep_zeros:
            return None
        return masks_of_others(self.start, self.parameters)

    @property
    def total(self) -> int:
        """Number of all parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def sizes(self) -> dict[str, int]:
        """Number of weights of each prunable parameter."""
        return {name: parameter.numel() for name, parameter in self.parameters.items()}

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return int(self.config.seed)
