"""What a cut needs to know of scores, whoever made them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from deepcuts.masks.budget import Scope


class Importances(Mapping[str, Tensor]):
    """Parameter name → importance, shaped like the parameter, higher = keep."""

    @property
    @abstractmethod
    def scope(self) -> Scope:
        """How a budget is divided over the tensors unless the cut says otherwise."""

    @property
    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """What they were made from, JSON-able."""

    @abstractmethod
    def check_finite(self) -> None:
        """Raise `ScoringError`, naming the tensor, if one is NaN or infinite."""
