"""Distillation: the model learns what the dense model of the same run says, and how its layers say it.

Formula: ``(1 - κ) · L(y, f(x)) + κ · D(teacher, student) + μ · mean over layers of ‖h_s - h_t‖² / ‖h_t‖²``.
``D`` is the kind of task's: ``T² · KL(teacher ‖ student)`` for classes, the squared difference for numbers.
Source: Hinton et al., 2015; the layers' term is SquareHead of Kurtic et al., 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.training.objectives.registry import Pass, objective

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor

OPTIONS = (
    Option(
        "share", float, 0.5, "Share of the teacher.", "κ", at_least=0, at_most=1, setting="distill_share"
    ),
    Option(
        "temperature", float, 2.0, "Softness of both models' classes.", "T", above=0,
        setting="distill_temperature",
    ),
    Option(
        "layers", float, 2.0, "Weight of the layers' difference.", "μ", at_least=0, setting="distill_layers"
    ),
)  # fmt: skip


def _check(values: Mapping[str, Any]) -> None:
    if not values["share"] and not values["layers"]:
        raise InputError(
            "distill_share",
            0.0,
            "with distill_layers at 0 too nothing is learned from the teacher; one must be above",
        )


@objective(
    "distill",
    formula="(1 - κ) · L(y, f(x)) + κ · D(teacher, student) + μ · mean over layers of ‖h_s - h_t‖² / ‖h_t‖²",
    source="Hinton et al., 2015; Kurtic et al., 2023",
    options=OPTIONS,
    reads_teacher=True,
    reads_hidden_states=lambda values: values["layers"] > 0,
    check=_check,
)
def distill(
    batch: Mapping[str, Tensor], student: Pass, teacher: Pass | None, options: Mapping[str, Any]
) -> Tensor:
    """The mean loss of the batch, 0-dimensional.

    Raises:
        InputError: The two models have different layers.
    """
    assert teacher is not None
    share = options["share"]
    loss: Tensor = (1 - share) * student.loss
    if share > 0:
        loss = loss + share * student.divergence(teacher, options["temperature"])
    if options["layers"] > 0:
        loss = loss + options["layers"] * _layers(batch["attention_mask"], student, teacher)
    return loss


def _layers(mask: Tensor, student: Pass, teacher: Pass) -> Tensor:
    """Mean over layers, embeddings left out, of the squared difference of real tokens, as a share."""
    shapes = [tuple(state.shape) for state in student.hidden_states]
    taught = [tuple(state.shape) for state in teacher.hidden_states]
    if shapes != taught or not shapes:
        raise InputError("distill_layers", taught, f"both models must have layers alike, {shapes} here")
    real = mask.bool()
    terms = [
        (own[real] - shown[real]).square().sum() / shown[real].square().sum().clamp_min(1e-12)
        for own, shown in zip(student.hidden_states[1:], teacher.hidden_states[1:], strict=True)
    ]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total / len(terms)
