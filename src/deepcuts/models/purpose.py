"""What a model is for: which kind of task its configuration names, and what that adds to it in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from deepcuts.common.errors import ModelError
from deepcuts.models.heads import CONFIG_KEY as RANGE_KEY
from deepcuts.models.heads import bound_output
from deepcuts.tasks import Task, TaskKind, all_kinds, kind_named, kind_of
from deepcuts.tasks.lengths import KEY as LENGTH_KEY
from deepcuts.tasks.texts import KEY as TEXTS_KEY
from deepcuts.tasks.texts import check_texts

#: Where a model's own config keeps the kind of task, unless the kind recognises the config without it.
KIND_KEY = "deepcuts_kind"


def prepare_config(config: Any, task: Task) -> None:
    """Prepare a pretrained model's configuration for a task, before a fresh head is made by it."""
    for key in (KIND_KEY, RANGE_KEY, LENGTH_KEY, TEXTS_KEY):  # of another task
        if hasattr(config, key):
            delattr(config, key)
    kind = kind_of(task)
    kind.configure(config, task)
    if kind_of_config(config) is not kind:
        setattr(config, KIND_KEY, kind.name)
    if task.output_range:
        setattr(config, RANGE_KEY, list(task.output_range))


def kind_of_config(config: Any) -> TaskKind | None:
    """The kind of task that a model is for; None for a model that none recognises.

    Raises:
        InputError: The configuration names a kind that no one has registered.
    """
    name = getattr(config, KIND_KEY, None)
    if name is not None:
        return kind_named(name)
    return next(
        (kind for kind in all_kinds() if _is_of_class(kind, config) and kind.recognises(config)), None
    )


def _is_of_class(kind: TaskKind, config: Any) -> bool:
    """Whether a kind's models are of the class that a configuration names, if any kind's are."""
    made_for = tuple(getattr(config, "architectures", None) or ())

    def names(one: TaskKind) -> bool:
        return any(name.endswith(one.auto_model.removeprefix("AutoModel")) for name in made_for)

    return names(kind) or not any(map(names, all_kinds()))


def kind_of_model(model: Any) -> TaskKind:
    """The kind of task that a model is for.

    Raises:
        ModelError: None recognises it.
        InputError: Its configuration names a kind that no one has registered.
    """
    kind = kind_of_config(model.config)
    if kind is None:
        raise ModelError(
            f"model: it has {model.config.num_labels} outputs of the type {model.config.problem_type!r}, "
            f"which no kind of task has; the kinds are {', '.join(kind.name for kind in all_kinds())}"
        )
    return kind


def model_class(config: Any) -> Any:
    """The class that loads or makes a model with this configuration, such as an auto class."""
    import transformers

    kind = kind_of_config(config)
    return kind.model_class() if kind else getattr(transformers, TaskKind.auto_model)


def predictions_of(model: Any) -> Callable[[Any], Tensor]:
    """What reads a model's predictions, ``(rows, …)``, off what it returns for a batch."""
    kind = kind_of_config(model.config)
    return kind.predictions if kind else lambda output: output.logits


def complete(model: Any) -> None:
    """Add what a configuration names but no file of weights holds: bounds of the output, a loss."""
    bounds = getattr(model.config, RANGE_KEY, None)
    if bounds is not None:
        bound_output(model, *bounds)
    kind = kind_of_config(model.config)
    if kind is not None and kind.has_own_loss:
        _OwnLoss(kind.loss).attach(model)


def check_fits(model: Any, task: Task) -> None:
    """Refuse a model that is for another kind of task, or whose outputs are not what the task asks for.

    Raises:
        ModelError: It is; it has more or fewer outputs; they have other names than the task's classes; or it
            was trained on pairs and the task's rows are single texts, or the reverse.
    """
    wanted, kind = kind_of(task), kind_of_config(model.config)
    outputs = wanted.outputs(task)
    if model.config.num_labels != outputs:
        raise ModelError(
            f"model: it has {model.config.num_labels} outputs, but the task {task.name} needs {outputs}"
        )
    if kind is None:
        kind = kind_of_model(model)  # which says that there is none
    if kind is not wanted:
        raise ModelError(
            f"model: it was trained for a task of the kind {kind.name}, but {task.name} is one of the kind "
            f"{wanted.name}"
        )
    check_texts(model.config, len(task.text_columns), f"the task {task.name}")
    wanted.match(task, model.config)


class _OwnLoss:
    """Hooks that keep a batch's labels from the model and give its output another loss than its own.

    So whoever reads the loss of a model's output, in a training or for scores, need not know of kinds.
    """

    def __init__(self, loss: Callable[[Any, Any], Tensor]) -> None:
        self._loss = loss
        self._labels: Any = None

    def attach(self, model: nn.Module) -> None:
        model.register_forward_pre_hook(self._take, with_kwargs=True)
        model.register_forward_hook(self._give)

    def _take(self, model: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._labels = kwargs.get("labels")
        return args, {name: value for name, value in kwargs.items() if name != "labels"}

    def _give(self, model: nn.Module, args: Any, output: Any) -> Any:
        labels, self._labels = self._labels, None
        if labels is not None:
            output["loss"] = self._loss(output, labels)
        return output
