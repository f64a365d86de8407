"""What becomes of the head that a model's file holds, when a task starts from it.

A head of another size goes, as there is nothing to keep of it. One of the same size stays if it means the
same: its rows are put into the order of the task's classes. Whatever else it means is refused, or thrown away
where that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from deepcuts.common.errors import InputError, ModelError
from deepcuts.models.heads import output_layer
from deepcuts.models.purpose import KIND_KEY, kind_of_config
from deepcuts.tasks import Task, kind_of
from deepcuts.tasks.labels import is_unnamed, names_of, shown
from deepcuts.tasks.texts import check_texts

#: What `settle_head` may be asked for.
KEPT, NEW = "kept", "new"
#: What is said of a head that nothing has trained begins so.
IS_NEW = "the head is new"
_HOW = "--head new gives it a fresh head instead"


#: The first of what there is to know of a head that is not new.
OF_FILE = "the head is that of the file"


def settle_head(
    model: Any, config: Any, former: Any, task: Task, report: Mapping[str, Any], head: str
) -> list[str]:
    """Let a model's head be the task's, and say what that took.

    Args:
        model: The model, loaded with the task's configuration.
        config: That configuration.
        former: The configuration that the file came with.
        task: The task.
        report: What Transformers says of the loading.
        head: `KEPT` or `NEW`.

    Returns:
        What there is to know of it, a sentence each.

    Raises:
        ModelError: The file's head has as many outputs, but was trained for something else.
    """
    own = _head_names(model)
    sizes = {key: (held, wanted) for key, held, wanted in report["mismatched_keys"]}
    lacking = {*report["missing_keys"], *sizes} & set(own)
    if head == NEW and len(lacking) < len(own):
        _renew(model, config, own)
        return [f"{IS_NEW}, as asked; that of the file is not used"]
    # Early releases of Transformers 5 say nothing of what a sparse file holds in another size.
    sparse = getattr(former, "quantization_config", None) is not None
    if not lacking and sparse and former.num_labels != config.num_labels:
        _renew(model, config, own)
        return ["the head is new; that of the file has another size"]
    if lacking:
        for held, wanted in (sizes[key] for key in sorted(lacking & sizes.keys())):
            if held[:1] != wanted[:1] and held[0] != former.num_labels and wanted[0] == config.num_labels:
                raise ModelError(
                    f"model: its configuration names {former.num_labels} outputs, but the head in its file "
                    f"has {held[0]}; {_HOW}"
                )
        told = "; that of the file has another size" if sizes.keys() & lacking else ", as the file has none"
        return [f"{IS_NEW}{told}"]
    _check_purpose(model, former, task)
    try:
        match = kind_of(task).match(task, former)
    except ModelError as error:
        raise ModelError(f"{error}; or {_HOW}") from None
    notes = [match.said] if match.said else []
    if match.order is not None:
        _reorder(model, match.order)
        notes.append(f"the head's outputs are in another order in the file: {shown(names_of(former))}")
    return [OF_FILE, *notes]


def _head_names(model: Any) -> list[str]:
    prefix = model.base_model_prefix
    return [name for name, _ in model.named_parameters() if not prefix or not name.startswith(f"{prefix}.")]


def _check_purpose(model: Any, former: Any, task: Task) -> None:
    """Refuse a head of as many outputs that were trained for something else."""
    made_for = tuple(getattr(former, "architectures", None) or ())
    if made_for and type(model).__name__ not in made_for:
        raise ModelError(f"model: the head in its file is one of {', '.join(made_for)}; {_HOW}")
    try:
        kind = kind_of_config(former)
        check_texts(former, len(task.text_columns), f"the task {task.name}")
    except InputError as error:
        raise ModelError(f"model: {error}; {_HOW}") from None
    if kind is not kind_of(task) and not _says_nothing(former):
        was = kind.name if kind is not None else f"{former.problem_type!r}"
        raise ModelError(
            f"model: the head in its file was trained for a task of the kind {was}, but {task.name} is one "
            f"of the kind {task.kind}; {_HOW}"
        )
    try:
        check_texts(former, len(task.text_columns), f"the task {task.name}")
    except ModelError as error:
        raise ModelError(f"{error}; {_HOW}") from None


def _says_nothing(config: Any) -> bool:
    """Whether a configuration leaves open what its outputs are: whoever saved it named nothing."""
    return (
        getattr(config, KIND_KEY, None) is None
        and config.problem_type is None
        and is_unnamed(names_of(config))
    )


@torch.no_grad()
def _reorder(model: Any, order: tuple[int, ...]) -> None:
    layer = output_layer(model)
    rows = list(order)
    layer.weight.copy_(layer.weight[rows].clone())
    if layer.bias is not None:
        layer.bias.copy_(layer.bias[rows].clone())


@torch.no_grad()
def _renew(model: Any, config: Any, names: list[str]) -> None:
    """Take the head of a model that is made anew; the caller has seeded the generator."""
    fresh = type(model)(config)
    for name in names:
        # Its data, since what was loaded may have another shape.
        model.get_parameter(name).data = fresh.get_parameter(name).data.to(model.get_parameter(name).dtype)
