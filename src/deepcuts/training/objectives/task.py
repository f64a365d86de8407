"""The task's own loss: cross-entropy of classes, squared difference of numbers.

Formula: ``L(y, f(x))``. Source: DeepCuts, §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepcuts.training.objectives.registry import Pass, objective

if TYPE_CHECKING:  # a command's help should not wait for torch
    from torch import Tensor


@objective("task", formula="L(y, f(x))", source="DeepCuts, §4")
def task(
    batch: Mapping[str, Tensor], student: Pass, teacher: Pass | None, options: Mapping[str, Any]
) -> Tensor:
    """The mean loss of the batch, 0-dimensional."""
    return student.loss
