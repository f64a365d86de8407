"""Classes of a task and outputs of a model, brought together by their names and not by their position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcuts.common.errors import ModelError

SHOWN = 10  # messages list no more names than this


@dataclass(frozen=True)
class Match:
    """Which output of a model means which class of a task.

    Attributes:
        order: For each class of the task, in its order, the model's output; None where the order is the same.
        said: What was guessed, for people; empty where nothing was.
    """

    order: tuple[int, ...] | None = None
    said: str = ""


def names_of(config: Any) -> tuple[str, ...]:
    """The names of a model's outputs, in their order.

    Raises:
        ModelError: ``id2label`` doesn't name every output once, or ``label2id`` says otherwise.
    """
    named = {int(index): str(name) for index, name in dict(getattr(config, "id2label", None) or {}).items()}
    names = tuple(named[index] for index in sorted(named))
    if sorted(named) != list(range(len(named))) or len(set(names)) != len(names):
        raise ModelError(
            f"model: the id2label of its configuration is {named}, but it must name the outputs 0 to "
            f"{len(named) - 1}, each in another way"
        )
    ids = {str(name): int(index) for name, index in dict(getattr(config, "label2id", None) or {}).items()}
    if (
        ids
        and not is_unnamed(sorted(ids, key=ids.__getitem__))
        and ids != {name: index for index, name in named.items()}
    ):
        raise ModelError(
            f"model: the id2label of its configuration is {named}, but its label2id is {ids}; they "
            "contradict each other, so correct the wrong one"
        )
    return names


def is_unnamed(names: Sequence[str]) -> bool:
    """Whether names are those that Transformers makes up: ``LABEL_0`` for the first output, and so on.

    In another order they are names like any other: somebody meant something by them.
    """
    return all(name == f"LABEL_{place}" for place, name in enumerate(names))


def match_labels(task: str, labels: Sequence[str], config: Any) -> Match:
    """Find each class of a task among a model's outputs.

    Names that differ in upper and lower case alone are taken for the same, if that is unambiguous. Outputs
    without names count by their position. Both are said.

    Args:
        task: The task's name, for errors.
        labels: Names of its classes in the order of their ids.
        config: The model's configuration.

    Raises:
        ModelError: The model has other outputs, or as many with other names.
    """
    names = names_of(config)
    if len(names) != len(labels):
        raise ModelError(f"model: it has {len(names)} outputs, but the task {task} needs {len(labels)}")
    exact = _order(labels, names)
    if exact is not None:
        return Match(_unless_same(exact))
    if is_unnamed(names):
        pairs = ", ".join(f"{name} is {label!r}" for name, label in zip(names, labels, strict=True))
        return Match(None, f"the model's outputs have no names, so they count by position: {pairs}")
    folded = _order([label.casefold() for label in labels], [name.casefold() for name in names])
    if folded is not None:
        return Match(
            _unless_same(folded), f"{shown(names)} of the model are taken for {shown(labels)} of the data"
        )
    raise ModelError(
        f"model: its classes are {shown(names)}, but those of the task {task} are {shown(labels)}; they are "
        "matched by name, so rename them in the data, or in id2label and label2id of the model's config.json"
    )


def shown(names: Sequence[str]) -> str:
    """Names for a message."""
    more = f", … ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def _order(labels: Sequence[str], names: Sequence[str]) -> tuple[int, ...] | None:
    """The place of each label among the names; None where they are not the same, or not all different."""
    places: Mapping[str, int] = {name: place for place, name in enumerate(names)}
    if len(places) != len(names) or set(labels) != set(places) or len(set(labels)) != len(labels):
        return None
    return tuple(places[label] for label in labels)


def _unless_same(order: tuple[int, ...]) -> tuple[int, ...] | None:
    return None if order == tuple(range(len(order))) else order
