"""Scores: an importance for every prunable weight, with what they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deepcuts.common import tensor_file
from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import FileFormatError, InputError, ScoringError
from deepcuts.masks.importances import Importances
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.strategy import Strategy


@dataclass(frozen=True)
class ModelIdentity:
    """What a model was when it was scored or cut.

    Attributes:
        name: Class name of the model.
        architecture: Its ``config.model_type``, if it has one.
        parameters: Number of all its parameters; shared ones count once.
        prunable: Number of its prunable parameters.
        digest: SHA-256 of the prunable parameters' values.
    """

    name: str
    architecture: str | None
    parameters: int
    prunable: int
    digest: str

    @classmethod
    def of(cls, model: nn.Module, prunable: Mapping[str, Tensor]) -> ModelIdentity:
        """Identity of `model` whose prunable parameters are `prunable`."""
        return cls(
            name=type(model).__name__,
            architecture=getattr(getattr(model, "config", None), "model_type", None),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            prunable=sum(parameter.numel() for parameter in prunable.values()),
            digest=tensors_digest(prunable.items()),
        )


@dataclass(frozen=True, eq=False)
class Scores(Importances):
    """Parameter name → importance, shaped like the parameter, higher = keep.

    Attributes:
        tensors: The importances, float32.
        strategy: What they were asked for; its scope is the default scope of a cut.
        options: The options that they were computed with.
        batches: Number of batches that were summed; 0 for a criterion that needs no data.
        examples: Number of examples in those batches.
        seed: The seed of noise and of random scores.
        model: The model that was scored; None for scores from elsewhere.
    """

    tensors: Mapping[str, Tensor] = field(repr=False)
    strategy: Strategy
    options: ScoringOptions = field(default_factory=ScoringOptions)
    batches: int = 0
    examples: int = 0
    seed: int = 0
    model: ModelIdentity | None = None

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def check_finite(self) -> None:
        """Raise `ScoringError`, naming the tensor, if a score is NaN or infinite."""
        for name, value in self.tensors.items():
            # NaN and infinity come through to the extremes, which are found in one pass without a copy.
            if value.numel() and not all(torch.isfinite(extreme) for extreme in torch.aminmax(value)):
                raise ScoringError(
                    f"{self.strategy}: the scores of {name!r} hold NaN or infinity; check the model's "
                    "weights and the loss of each batch, and score in float32"
                )

    def under(self, strategy: Strategy) -> Scores:
        """The same importances under a strategy of another scope or inversion; nothing is scored again.

        Raises:
            InputError: The strategy is of another criterion, or of another gradient.
        """
        if strategy.score != self.strategy.score:
            raise InputError("strategy", str(strategy), f"these scores are of {self.strategy}")
        tensors = self.tensors
        if strategy.inverted != self.strategy.inverted:  # higher = keep, so the worst become the highest
            tensors = {name: -value for name, value in tensors.items()}
        return replace(self, tensors=tensors, strategy=strategy)

    @property
    def scope(self) -> str:
        """The scope of the strategy that they were asked for."""
        return self.strategy.scope

    @property
    def provenance(self) -> dict[str, Any]:
        """What they were made from, JSON-able."""
        return {
            "strategy": str(self.strategy),
            "options": self.options.as_dict(),
            "batches": self.batches,
            "examples": self.examples,
            "seed": self.seed,
            "model": asdict(self.model) if self.model else None,
        }

    def save(self, path: str | Path) -> None:
        """Write them to a safetensors file, atomically."""
        tensor_file.save(path, "scores", self.tensors, {"order": list(self.tensors), **self.provenance})

    @classmethod
    def load(cls, path: str | Path) -> Scores:
        """Read what `save` wrote.

        Raises:
            FileFormatError: The file is missing, truncated, altered, or not a score file.
        """
        tensors, header = tensor_file.load(path, "scores")
        with tensor_file.meaning(path, "scores"):
            found = _read(tensors, header)
        try:
            found.check_finite()
        except ScoringError as error:
            raise FileFormatError(f"{path}: {error}") from None
        return found


def _read(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Scores:
    strategy = Strategy.parse(header["strategy"])
    # An option of somebody else's choice, which may not be registered here, counts for nothing.
    read = {name: value for name, value in header["options"].items() if name in strategy.reads}
    if sorted(header["order"]) != sorted(tensors):
        raise ValueError("their order is not that of the tensors")
    if wrong := [name for name, value in tensors.items() if value.dtype is not torch.float32]:
        raise ValueError(f"{wrong[0]!r} is of type {tensors[wrong[0]].dtype}")
    counts = {name: header[name] for name in ("batches", "examples", "seed")}
    if wrong := [name for name, value in counts.items() if type(value) is not int]:
        raise ValueError(f"{wrong[0]} is no whole number")
    return Scores(
        tensors={name: tensors[name] for name in header["order"]},
        strategy=strategy,
        options=ScoringOptions(**read),
        model=ModelIdentity(**header["model"]) if header["model"] else None,
        **counts,
    )
