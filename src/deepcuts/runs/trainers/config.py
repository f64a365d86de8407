"""The configuration of a run by a Trainer: what ``deepcuts prune`` can set, and what the Trainer says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.fields import complete, validated
from deepcuts.runs.recipes import recipe_named
from deepcuts.runs.settings import (
    LENGTH,
    names_of,
    objective_options,
    refuse_unread,
    settings,
    training_options,
    unread,
)
from deepcuts.runs.starting import settings_of_start
from deepcuts.runs.trainers.arguments import epochs_of, planned_by
from deepcuts.training.plan import TrainingPlan

#: What a Trainer has decided already, and where.
_ELSEWHERE = {
    "start": "it is an argument of its own",
    "pretrained": "it is an argument of its own",
    "model": "the model is the Trainer's",
    "head": "the head is that of the Trainer's model",
    "trust_remote_code": "the model is loaded already",
    "select_on": "the Trainer's eval_dataset and load_best_model_at_end decide on what epochs are chosen",
    "learning_rate": "the Trainer's arguments have it; retrain_learning_rate is that of the training after "
    "the cut",
    "score_batch_size": "batches are the Trainer's own",
    LENGTH.setting: "the Trainer's collator decides it",
}
_EPOCHS = {"finetune_epochs", "retrain_epochs"}
_ARGUMENTS = "the Trainer's arguments have it"
_OBJECTIVE = "a Trainer's own compute_loss is what is minimised"


class TrainerConfig(PruneConfig):
    """Everything that can change what a run by a Trainer computes.

    Attributes:
        data: What the Trainer is: its class, its arguments, digests of its rows.
    """

    data: Any

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @classmethod
    def of(
        cls,
        trainer: Any,
        name: str,
        data: Mapping[str, Any],
        given: Mapping[str, Any],
        *,
        start: str,
        pretrained: str | None,
    ) -> TrainerConfig:
        """A configuration.

        Args:
            trainer: The Trainer; its arguments fill what is missing.
            name: What its model is called.
            data: See the class.
            given: Options as ``deepcuts prune`` has them; None counts as not given.
            start: Where the model starts.
            pretrained: What θ0 of a fine-tuned one is called.

        Raises:
            InputError: There is no such option, it is the Trainer's to decide, nothing reads it, or its value
                is not allowed.
        """
        asked = {key: value for key, value in given.items() if value is not None}
        declared = settings()
        for key, value in asked.items():
            if key not in declared:
                raise InputError(key, value, f"there is no such option; there are {', '.join(_open())}")
            if (why := _closed().get(key)) is not None:
                raise InputError(key, value, f"{why}; leave it out")
        recipe = recipe_named(asked.get("recipe", declared["recipe"].default))
        schedule = _Schedule(epochs_of(trainer.args))
        filled = {**recipe.defaults(asked, schedule), **asked}
        if "objective" in filled:
            raise InputError(
                "recipe", recipe.name, f"it minimises another objective ({filled['objective']}); {_OBJECTIVE}"
            )
        idle = unread(recipe=recipe.name)
        for key in sorted(idle & asked.keys()):
            raise InputError(key, asked[key], f"the recipe {recipe.name!r} doesn't read it; leave it out")
        filled |= settings_of_start(start, pretrained, asked, recipe)
        for key in ("finetune_epochs", "retrain_epochs"):
            if key not in idle:
                filled.setdefault(key, schedule.epochs)
        filled.setdefault("seed", trainer.args.seed)
        filled |= planned_by(trainer.args)
        if "retrain_learning_rate" not in idle:
            filled.setdefault("retrain_learning_rate", filled["learning_rate"])
        steps = {"most_steps": trainer.args.max_steps, "by_epochs": sorted(_EPOCHS & asked.keys())}
        filled |= {
            "model": name,
            "start": declared["start"].checked(start),
            "pretrained": pretrained,
            "data": {**data, **(steps if trainer.args.max_steps > 0 else {})},
            "score_batch_size": trainer.args.per_device_train_batch_size,
            "select_on": "dev",
        }
        whole: type[TrainerConfig] = complete(cls, tuple(declared.values()))
        config = validated(whole, filled)
        refuse_unread(asked, config.strategy, config.scope)
        return config

    def finetuning(self) -> TrainingPlan:
        """The plan of the first fine-tuning."""
        return self._as_long_as_asked(super().finetuning(), "finetune_epochs")

    def retraining(self) -> TrainingPlan:
        """The plan of the retraining after the cut."""
        return self._as_long_as_asked(super().retraining(), "retrain_epochs")

    def differences(self, saved: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """See `PruneConfig.differences`; what a Trainer is differs part by part."""
        found = super().differences(saved)
        if isinstance(saved.get("data"), Mapping) and found.pop("data", None) is not None:
            before, now = _flat(saved["data"]), _flat(self.data)
            for name in sorted({*before, *now}):
                if before.get(name) != now.get(name):
                    found[name] = before.get(name), now.get(name)
        return found

    def _data_by_default(self) -> dict[str, Any]:
        return {}

    def own(self, args: Any) -> TrainingPlan:
        """What a Trainer's arguments say."""
        return replace(
            self._plan(epochs_of(args), float(args.learning_rate)),
            most_steps=args.max_steps if args.max_steps > 0 else None,
        )

    def _as_long_as_asked(self, plan: TrainingPlan, epochs: str) -> TrainingPlan:
        """A Trainer's number of steps goes before its epochs, but not before those that are asked for."""
        steps = self.data.get("most_steps")
        return plan if steps is None or epochs in self.data["by_epochs"] else replace(plan, most_steps=steps)


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a Trainer is, part by part, by names that a reader knows."""
    rows = {"train": "train_dataset", "eval": "eval_dataset"}
    found: dict[str, Any] = {}
    for name, value in data.items():
        if name == "arguments":
            found |= {f"args.{inner}": each for inner, each in value.items()}
        else:
            found[rows.get(name, name)] = value
    return found


class _Schedule:
    """A Trainer's epochs, as recipes ask a task for its own."""

    def __init__(self, epochs: int) -> None:
        self.epochs = self.retrain_epochs = self.finetune_epochs = epochs


@lru_cache(maxsize=1)
def _closed() -> dict[str, str]:
    training = names_of(training_options()) - {"retrain_learning_rate"}
    return {
        **dict.fromkeys(sorted(training), _ARGUMENTS),
        **dict.fromkeys(sorted(names_of(objective_options())), _OBJECTIVE),
        **_ELSEWHERE,
    }


def _open() -> list[str]:
    return sorted(settings().keys() - _closed().keys())
