"""What an objective is, and the one list of all objectives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option, checked_values

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Pass:
    """What one model says of one batch.

    Attributes:
        loss: The task's loss, the mean over the batch, 0-dimensional.
        logits: ``(rows, outputs)``, or as the kind of task shapes them; of tokens that are labelled,
            ``(labels, outputs)`` in their order.
        hidden_states: The embeddings and every layer's output, ``(rows, tokens, hidden)`` each; empty
            unless the objective asks for them.
        distance: How far one model's logits are from another's, at a temperature: the kind of task's.
    """

    loss: Tensor
    logits: Tensor
    hidden_states: tuple[Tensor, ...] = ()
    distance: Callable[[Tensor, Tensor, float], Tensor] | None = None

    def divergence(self, teacher: Pass, temperature: float) -> Tensor:
        """How far what this model says is from what a teacher says, the mean over the batch.

        Raises:
            InputError: The kind of task does not say how that is measured.
        """
        if self.distance is None:
            raise InputError("objective", "distill", "this kind of task does not say how models differ")
        return self.distance(self.logits, teacher.logits, temperature)


ObjectiveFunction = Callable[["Mapping[str, Tensor]", Pass, "Pass | None", Values], "Tensor"]


def _no_check(values: Values) -> None:
    pass


@dataclass(frozen=True)
class Objective:
    """What a training minimises.

    Attributes:
        name: What it is asked for by.
        function: ``(batch, student, teacher, options) -> loss``: the batch with its labels; what the
            trained model says of it; what the teacher does, in evaluation mode and without gradients, or
            None; every option's value. It gives the **mean** over the batch, 0-dimensional: the Trainer
            weighs batches by their rows where a step has several.
        formula: For people, one line.
        source: Paper and equation.
        options: What can be set.
        reads_teacher: Whether it reads a teacher, which must then be given.
        reads_hidden_states: From the options' values to whether it reads hidden states.
        check: Refuses values of the options that contradict each other, by an `InputError`.
    """

    name: str
    function: ObjectiveFunction
    formula: str
    source: str
    options: tuple[Option, ...] = ()
    reads_teacher: bool = False
    reads_hidden_states: Callable[[Values], bool] = lambda values: False
    check: Callable[[Values], None] = _no_check

    def values(self, given: Values | None = None) -> dict[str, Any]:
        """Every option's value: the given one, checked, or the default.

        Raises:
            InputError: A value is not allowed, or contradicts another, or a name is none of an option of it.
        """
        found = checked_values(self.options, given or {})
        self.check(found)
        return found

    def changed(self, given: Values | None = None) -> dict[str, Any]:
        """The values that are not at their default, which tell two trainings apart."""
        defaults = {option.name: option.default for option in self.options}
        return {name: value for name, value in self.values(given).items() if value != defaults[name]}


#: What is minimised unless something else is asked for.
DEFAULT_OBJECTIVE = "task"
OBJECTIVES: dict[str, Objective] = {}


def objective(
    name: str,
    *,
    formula: str,
    source: str,
    options: Iterable[Option] = (),
    reads_teacher: bool = False,
    reads_hidden_states: bool | Callable[[Values], bool] = False,
    check: Callable[[Values], None] = _no_check,
) -> Callable[[ObjectiveFunction], ObjectiveFunction]:
    """Register a function as an objective; `train` then knows it by its name.

    Args:
        name: Must be new.
        formula: One line for people.
        source: Paper and equation.
        options: What can be set.
        reads_teacher: Whether a second, finished model must be there to learn from.
        reads_hidden_states: Whether it reads both models' hidden states; may depend on the options' values.
        check: See `Objective`.

    Raises:
        ValueError: The name is taken.
    """
    asked = reads_hidden_states if callable(reads_hidden_states) else (lambda values: reads_hidden_states)

    def register(function: ObjectiveFunction) -> ObjectiveFunction:
        if name in OBJECTIVES:
            raise ValueError(f"an objective named {name!r} is registered already")
        own = tuple(options)
        OBJECTIVES[name] = Objective(name, function, formula, source, own, reads_teacher, asked, check)
        return function

    return register


def find_objective(name: str) -> Objective:
    """The objective of that name.

    Raises:
        InputError: There is none.
    """
    if name not in OBJECTIVES:
        raise InputError("objective", name, f"it is one of {', '.join(sorted(OBJECTIVES))}")
    return OBJECTIVES[name]
