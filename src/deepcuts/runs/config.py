"""The configuration of a run: checked when it is made, saved with the run, compared when it goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, model_validator

from deepcuts.common.errors import InputError
from deepcuts.common.options import options_of
from deepcuts.masks.allocations import allocation_of
from deepcuts.masks.budget import Budget
from deepcuts.runs.data import DataConfig, data_options
from deepcuts.runs.fields import complete, validated
from deepcuts.runs.recipes import recipe_named
from deepcuts.runs.settings import BUDGETS, SCHEDULED, scoring_options, settings, unread
from deepcuts.runs.starting import settings_of_start
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.strategy import Strategy
from deepcuts.tasks import Task
from deepcuts.training.plan import TrainingPlan


class PruneConfig(BaseModel):
    """Everything that can change what a run computes; see ``deepcuts prune --help`` for each in words.

    It has a field for each option that a part of a run declares, see `deepcuts.runs.settings`; one that is
    registered later is a field of the configurations that are made then.

    Attributes:
        data: Which task, and where its data is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: DataConfig

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @classmethod
    def make(cls, task: Task, **given: Any) -> PruneConfig:
        """A configuration with the task's own schedule wherever none is given.

        Args:
            task: The task; its schedule fills what is missing.
            given: Fields; None counts as not given.

        Raises:
            InputError: A field's value is not allowed.
        """
        asked = {name: value for name, value in given.items() if value is not None}
        declared = settings()
        recipe = recipe_named(asked.get("recipe", declared["recipe"].default))
        filled = {**recipe.defaults(asked, task.schedule), **asked}
        idle = unread(recipe=recipe.name, objective=filled.get("objective", declared["objective"].default))
        # A whole configuration names every option; what it has at its default asks for nothing.
        asking = {name for name in idle & asked.keys() if asked[name] != declared[name].default}
        if unused := sorted(asking):
            raise InputError(unused[0], asked[unused[0]], _unread_by(recipe.name, filled.get("objective")))
        start = asked.get("start", declared["start"].default)
        filled |= settings_of_start(start, asked.get("pretrained"), asked, recipe)
        for name in SCHEDULED:
            if name not in idle:
                filled.setdefault(name, getattr(task.schedule, name))
        if "retrain_learning_rate" not in idle:
            filled.setdefault("retrain_learning_rate", filled["learning_rate"])
        return cls.read(filled)

    @classmethod
    def read(cls, saved: Mapping[str, Any]) -> PruneConfig:
        """A configuration from all that is not at its default, such as what ``config.json`` holds.

        Raises:
            InputError: A field's value is not allowed.
        """
        whole: type[PruneConfig] = complete(PruneConfig, tuple(settings().values()))
        return validated(whole, saved)

    def __reduce__(self) -> Any:
        # Its class is made of what is registered, in another process too.
        return PruneConfig.read, (self.model_dump(),)

    @classmethod
    def check_strategy_and_budget(
        cls, strategy: str, compression: float | None, density: float | None, sparsity: float | None
    ) -> None:
        """What can be checked before data and model are there.

        Raises:
            InputError: The strategy is unknown, not exactly one budget is given, or it can't be one.
        """
        Strategy.parse(strategy)
        budgets = {"compression": compression, "density": density, "sparsity": sparsity}
        given = {name: value for name, value in budgets.items() if value is not None}
        if len(given) != 1:
            raise InputError(
                "budget", given or None, "give exactly one of --compression, --density, --sparsity"
            )
        if density is not None:
            Budget.from_density(density)
        if sparsity is not None:
            Budget.from_sparsity(sparsity)
        if compression is not None and not (math.isfinite(compression) and compression >= 1):
            raise InputError("compression", compression, "it must be a number, 1 or more")

    @classmethod
    def check_early(cls, given: Mapping[str, Any]) -> None:
        """What can be checked of settings before data and model are there.

        Raises:
            InputError: Strategy or recipe is unknown, or the budget can't be one.
        """
        declared = settings()
        recipe_named(given.get("recipe", declared["recipe"].default))
        strategy = given.get("strategy", declared["strategy"].default)
        cls.check_strategy_and_budget(strategy, *(given.get(name) for name in BUDGETS))

    @model_validator(mode="after")
    def _check(self) -> PruneConfig:
        self.check_strategy_and_budget(self.strategy, self.compression, self.density, self.sparsity)
        recipe_named(self.recipe).check(self)
        self.scoring()
        return self

    def budget(self, total: int, prunable: int) -> Budget:
        """The budget, for a model with so many parameters, so many of them prunable.

        Raises:
            InputError: It is out of reach.
        """
        allocation = allocation_of(self.scope or Strategy.parse(self.strategy).scope)
        options = {option.name: getattr(self, option.setting) for option in allocation.options}
        if self.density is not None:
            found = Budget.from_density(self.density, self.scope)
        elif self.sparsity is not None:
            found = Budget.from_sparsity(self.sparsity, self.scope)
        else:
            assert self.compression is not None
            found = Budget.from_counts(total, prunable, self.compression, self.scope)
        return replace(found, options=options)

    def scoring(self) -> ScoringOptions:
        """The options of scoring."""
        given = {option.name: getattr(self, option.setting) for option in scoring_options()}
        return ScoringOptions(**given)

    def finetuning(self) -> TrainingPlan:
        """The plan of the first fine-tuning."""
        return self._plan(self.finetune_epochs, self.learning_rate)

    def retraining(self) -> TrainingPlan:
        """The plan of the retraining after the cut."""
        return self._plan(self.retrain_epochs, self.retrain_learning_rate)

    def differences(self, saved: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Fields in which a saved configuration differs: name → (saved, this one's).

        A field that the saved one lacks, because it is younger, counts as its default there. One that only
        the saved one has differs, unless it is None: the choice that reads it is not there now.
        """
        mine = self.model_dump(mode="json")
        before = {name: saved.get(name, option.default) for name, option in settings().items()} | dict(saved)
        if isinstance(saved.get("data"), Mapping):
            before["data"] = {**self._data_by_default(), **saved["data"]}
        return {
            name: (before.get(name), mine.get(name))
            for name in sorted({*mine, *before})
            if mine.get(name) != _as_json(before.get(name))
        }

    def _data_by_default(self) -> dict[str, Any]:
        """What a saved configuration says of data where it says nothing."""
        return {option.setting: option.default for option in data_options()}

    def _plan(self, epochs: int, learning_rate: float) -> TrainingPlan:
        shared = {option.name: getattr(self, option.setting) for option in options_of(TrainingPlan)}
        return TrainingPlan(epochs, learning_rate, seed=self.seed, **shared)


def _unread_by(recipe: str, objective: str | None) -> str:
    return f"it is read by neither the recipe {recipe!r} nor the objective {objective or 'task'!r}"


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
