"""How far what one model says of a batch is from what another says, as distillation minimises it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor


def of_classes(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``T² · KL(teacher ‖ student)`` over the last dimension, the mean over all others.

    The factor keeps gradients as large whatever the temperature is (Hinton et al., 2015, §2).

    Args:
        student: Logits, ``(rows, …, classes)``.
        teacher: Likewise.
        temperature: T, above 0: how soft both models' classes are taken.

    Returns:
        0-dimensional.
    """
    import torch

    taught = torch.log_softmax(teacher / temperature, -1)
    said = torch.log_softmax(student / temperature, -1)
    return temperature**2 * (taught.exp() * (taught - said)).sum(-1).mean()


def of_labels(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``T² · KL(teacher ‖ student)`` of each label on its own, the mean over all of them.

    Args:
        student: Logits, ``(rows, …, labels)``, of which each says whether its label is there.
        teacher: Likewise.
        temperature: As for `of_classes`.

    Returns:
        0-dimensional.
    """
    import torch

    def two_classes(logits: Tensor) -> Tensor:  # (rows, …, labels, 2)
        return torch.stack([logits, torch.zeros_like(logits)], -1)

    return of_classes(two_classes(student), two_classes(teacher), temperature)


def of_numbers(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The mean squared difference, 0-dimensional; a temperature has no meaning for numbers."""
    return (student - teacher).square().mean()
