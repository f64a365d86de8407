"""Everything that can be set for a run: the options that its parts declare, found rather than listed.

The configuration, the command line of ``prune``, grid files, the dry run, reports and stored identities are
all derived from what stands here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from deepcuts.common import plugins
from deepcuts.common.errors import InputError
from deepcuts.common.options import Option, options_of
from deepcuts.masks.allocations import all_allocations, allocation_of
from deepcuts.runs.recipes import recipe_named, recipes
from deepcuts.scoring import options as scoring
from deepcuts.scoring.strategy import Strategy
from deepcuts.training.objectives import DEFAULT_OBJECTIVE, OBJECTIVES, find_objective
from deepcuts.training.plan import TrainingPlan

ABOUT = "Options"
DATA = "Task and data"
CUT = "What is cut"
TRAINING = "Training (by default the task's own schedule)"
SCORING = "Scoring"

#: The ways to say how much is kept.
BUDGETS = ("compression", "density", "sparsity")
#: What a task's own schedule says unless it is given.
SCHEDULED = ("finetune_epochs", "retrain_epochs", "learning_rate", "batch_size")

_MODEL = Option("model", str, ..., "Folder, name on the Hub, or 'minilm' (packaged in the extra 'demo').")
_ABOUT = (
    _MODEL,
    Option("seed", int, 0, "Seed of everything random.", at_least=0, at_most=2**32 - 1),
    Option(
        "start",
        str,
        "pretrained",
        "pretrained: the model is fine-tuned first; finetuned: it is already, and scored as it is.",
        choices=("pretrained", "finetuned"),
    ),
    Option("pretrained", str, None, "θ0 of a model that starts fine-tuned, to rewind to."),
    Option(
        "head",
        str,
        "kept",
        "kept: the model's own head, if it was trained for the same classes; or new.",
        choices=("kept", "new"),
    ),
    Option("trust_remote_code", bool, False, "Let code that comes with the model run."),
)
_CUT = (
    Option("strategy", str, "LayerGradCAMShift", "See 'deepcuts strategies'."),
    # Their bounds are checked where budgets are made.
    Option("compression", float, None, "Parameters before / after, whole model."),
    Option("density", float, None, "Share of prunable weights to keep."),
    Option("sparsity", float, None, "Share of prunable weights to cut."),
    Option("scope", str, None, "{scopes}, instead of the strategy's own."),
    Option(
        "prunable",
        str,
        None,
        "Names of parameters to cut, with wildcards; repeatable.",
        count=None,
    ),
    Option("keep_zeros", bool, False, "Weights of the model that are 0 already stay so, as if cut before."),
    Option("recipe", str, "paper", "The order of steps: {recipes}."),
)
_CHOSEN = Option(
    "select_on",
    str,
    "held-out",
    "Rows that epochs are chosen on: held-out, a tenth of train (1,000 at most), or dev, as in the paper.",
    choices=("held-out", "dev"),
    title="epochs chosen on",
    formerly="dev",
)
LENGTH = Option("max_length", int, 128, "Tokens of a row at most.", at_least=8)
_ROWS = Option("score_batch_size", int, 16, "Rows a batch.", at_least=1, title="rows a batch while scoring")


def panels() -> dict[str, tuple[Option, ...]]:
    """The options of a run's configuration, by the heading that ``--help`` shows them under.

    The data's own, see `deepcuts.runs.data.DataConfig`, are not among them.
    """
    found: dict[str, list[Option]] = {ABOUT: [], CUT: [], DATA: [], TRAINING: [], SCORING: []}
    declared = [
        (ABOUT, _ABOUT),
        (CUT, (*_cut(), *allocation_options())),
        (DATA, (LENGTH,)),
        *((TRAINING, recipe.options) for recipe in recipes().values()),
        (TRAINING, (*training_options(), _CHOSEN, *objective_options())),
        (SCORING, (*scoring_options(), _ROWS)),
    ]
    known: dict[str, Option] = {}
    for panel, options in declared:
        for option in options:
            if option.setting not in known:
                known[option.setting] = option
                found.setdefault(option.panel or panel, []).append(option)
            elif known[option.setting] != option:
                raise ValueError(f"two options named {option.setting!r} are declared in different ways")
    return {panel: tuple(options) for panel, options in found.items()}


def settings() -> dict[str, Option]:
    """The same by their names in a configuration."""
    return {option.setting: option for options in panels().values() for option in options}


def with_former(saved: Mapping[str, Any]) -> dict[str, Any]:
    """A saved configuration with what was done then for each option that it is too old to have."""
    return {**former(saved), **saved}


def former(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What was done then for each option that a saved configuration is too old to have."""
    return {
        name: option.formerly
        for name, option in settings().items()
        if option.formerly is not ... and name not in saved
    }


def training_options() -> tuple[Option, ...]:
    """The options of every training of a run; how long and how fast is the recipe's."""
    return tuple(
        replace(option, default=None) if option.setting in SCHEDULED else option
        for option in options_of(TrainingPlan)
    )


def objective_options() -> tuple[Option, ...]:
    """What retraining minimises, and the options of all objectives."""
    plugins.load()
    names = tuple(sorted(OBJECTIVES, key=lambda name: name != DEFAULT_OBJECTIVE))
    listed = "; ".join(f"{name}: {OBJECTIVES[name].formula}" for name in names)
    chosen = Option(
        "objective", str, DEFAULT_OBJECTIVE, f"What retraining minimises. {listed}.", choices=names
    )
    return (chosen, *(option for name in names for option in OBJECTIVES[name].options))


def options_read(strategy: Strategy) -> list[Option]:
    """The options of scoring that can change what a strategy finds."""
    read = [option for option in scoring_options() if option.name in strategy.reads]
    return [*read, _ROWS] if strategy.needs_data else read


def allocation_options() -> tuple[Option, ...]:
    """The options of all allocations."""
    return tuple(option for one in all_allocations() for option in one.options)


def names_of(options: Collection[Option]) -> set[str]:
    """Their names in a configuration."""
    return {option.setting for option in options}


def unread(
    *,
    strategy: str | None = None,
    scope: str | None = None,
    recipe: str | None = None,
    objective: str | None = None,
) -> set[str]:
    """Names of the options that the named choices don't read; for None they are not chosen yet.

    A strategy names a scope of its own, whose place the given one takes.
    """
    found: set[str] = set()
    if strategy is not None:
        parsed = Strategy.parse(strategy)
        scope = scope or parsed.scope
        found |= names_of((*scoring_options(), _ROWS)) - names_of(options_read(parsed))
    if scope is not None:
        found |= names_of(allocation_options()) - names_of(allocation_of(scope).options)
    if recipe is not None:
        every = names_of([option for one in recipes().values() for option in one.options])
        found |= every - names_of(recipe_named(recipe).options)
    if objective is not None:
        every = names_of([option for one in OBJECTIVES.values() for option in one.options])
        found |= every - names_of(find_objective(objective).options)
    return found


def refuse_unread(given: Mapping[str, Any], strategy: str, scope: str | None) -> None:
    """Refuse options of scores and allocations that were given, but that a strategy doesn't read.

    In a grid they may stand beside strategies that do.

    Args:
        given: What was given, by its name in a configuration; defaults are not among it.
        strategy: The strategy.
        scope: That of the allocation in the place of the strategy's own.

    Raises:
        InputError: One of them changes nothing.
    """
    for name in sorted(unread(strategy=strategy, scope=scope) & given.keys()):
        by = f" in the scope {scope!r}" if scope else ""
        raise InputError(name, given[name], f"the strategy {strategy!r}{by} doesn't read it; leave it out")


def _cut() -> tuple[Option, ...]:
    listed = "; ".join(f"{name}: {recipe.help}" for name, recipe in recipes().items())
    scopes = tuple(one.scope for one in all_allocations())
    found = (
        replace(option, help=option.help.format(recipes=listed, scopes=" or ".join(scopes)))
        for option in _CUT
    )
    return tuple(replace(option, choices=scopes) if option.name == "scope" else option for option in found)


def scoring_options() -> tuple[Option, ...]:
    """The options of all scores; a run scores on a thousand batches at most unless it is told otherwise."""
    most: dict[str, Any] = {"score_batches": 1000, "smooth_batches": 100}
    return tuple(
        replace(option, default=most.get(option.setting, option.default))
        for option in scoring.scoring_options()
    )
