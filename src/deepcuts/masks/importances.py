"""What a cut needs to know of scores, whoever made them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from deepcuts.common.tensors import same_tensors, shapes_hash


class Importances(Mapping[str, Tensor]):
    """Parameter name → importance, shaped like the parameter, higher = keep.

    Two are equal if tensors, their order, which decides between equal scores, and provenance are.
    """

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Importances):
            return NotImplemented
        return self.provenance == other.provenance and same_tensors(self, other)

    def __hash__(self) -> int:
        return shapes_hash(self)

    @property
    @abstractmethod
    def scope(self) -> str:
        """How a budget is divided over the tensors unless the cut says otherwise."""

    @property
    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """What they were made from, JSON-able."""

    @abstractmethod
    def check_finite(self) -> None:
        """Raise `ScoringError`, naming the tensor, if one is NaN or infinite."""
