"""What a statistic is, and the one list of all statistics."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, TypeVar

from deepcuts.common.options import Option
from deepcuts.scoring.options import ScoringOptions, declare

if TYPE_CHECKING:
    from torch import Tensor, nn


class Statistic(ABC):
    """An accumulator of one tensor: made, updated with what each batch says, reduced, computed.

    One that is `per_batch` is made anew for every batch; formulas are then applied to each batch, and their
    importances summed, as the paper's are. Any other goes on over all batches, and formulas are applied
    once, at the end. Tensors are float32 whatever the model's type or autocast.

    Attributes:
        name: What criteria call it.
        options: The options that it reads, for which it is told apart.
        per_batch: Whether it is of one batch.
        size_option: The option that its memory grows with, if there is one.
        state: Its tensors, which `reduce` sums over processes; their shapes must be known before the first
            batch, since a process may get none.
    """

    name: ClassVar[str] = ""
    options: ClassVar[tuple[Option, ...]] = ()
    per_batch: ClassVar[bool] = False
    size_option: ClassVar[Option | None] = None
    state: dict[str, Tensor]

    @classmethod
    def memory(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """How many bytes its state takes for a tensor of this shape, about; by default a float32 a weight.

        Of a statistic of layers, which a weight and its bias share, the weight is asked alone.
        """
        return 0 if cls.per_batch else 4 * math.prod(shape)

    @classmethod
    def working(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """How many bytes `compute` takes meanwhile, about; by default a float32 a weight, its result."""
        return 0 if cls.per_batch else 4 * math.prod(shape)

    def reduce(self, add_up: Callable[[Tensor], object]) -> None:
        """Sum over processes, so that each has the whole.

        Args:
            add_up: Replaces a tensor's values, in place, by their sums over all processes.
        """
        for value in self.state.values():
            add_up(value)

    @abstractmethod
    def compute(self, parameter: Tensor) -> Tensor:
        """The statistic, in a shape that broadcasts to the parameter's."""


class GradientStatistic(Statistic):
    """A statistic of a tensor's gradient: of whichever gradient the strategy names.

    Args:
        parameter: The tensor.
        options: The options of scoring.
    """

    def __init__(self, parameter: Tensor, options: ScoringOptions) -> None:
        self.state = {}

    @abstractmethod
    def update(self, gradient: Tensor) -> None:
        """Take one batch's gradient, float32, shaped like the tensor; it must be left as it is."""


class ExampleStatistic(Statistic):
    """A statistic of the gradients of single examples: of whichever gradient the strategy names.

    An example's gradient is that of its own loss, as if it were a batch alone. It goes on over all batches.

    Args:
        parameter: The tensor.
        options: The options of scoring.
    """

    def __init__(self, parameter: Tensor, options: ScoringOptions) -> None:
        self.state = {}

    @abstractmethod
    def update(self, gradients: Tensor) -> None:
        """Take some examples' gradients, ``(examples, *shape)``, float32; they must be left as they are."""


class Call(Protocol):
    """One run of a layer in a pass in which nothing is changed.

    Attributes:
        layer: The layer that ran.
        raw_inputs: What it was given, ``(..., in_features)``, in the type of the pass.
        raw_output: What it put out, ``(..., out_features)``, before any activation function or other hook.
    """

    layer: nn.Module
    raw_inputs: Tensor
    raw_output: Tensor

    @property
    def inputs(self) -> Tensor:
        """What it was given, ``(rows, in_features)``, float32: a row for each sequence or token."""

    @property
    def output(self) -> Tensor:
        """What it put out, ``(rows, out_features)``, float32."""

    def weights(self, padding: bool) -> Tensor | None:
        """1 for every row that counts, ``(rows,)``; None where all do. `padding`: whether padding does."""

    def count(self, padding: bool) -> float:
        """How many rows count."""

    def total(self, rows: Tensor, padding: bool) -> Tensor:
        """Sum over the rows that count of ``(rows, features)``."""


class LayerStatistic(Statistic):
    """A statistic of what the linear layers that a tensor belongs to take in and put out.

    Tensors of the same layers, as a weight and its bias, share one accumulator. A parameter that several
    layers share is observed at each of them. A call that sees no tokens of the batch, as DeBERTa's on its
    table of relative positions, counts only where no other is seen.

    Args:
        layers: The layers that own the tensor; mostly one.
        options: The options of scoring.

    Attributes:
        reads_inputs: Whether it reads `Call.inputs`; leave it on unless it doesn't.
    """

    reads_inputs: ClassVar[bool] = True

    def __init__(self, layers: Sequence[nn.Linear], options: ScoringOptions) -> None:
        self.state = {}

    @abstractmethod
    def observe(self, call: Call) -> None:
        """Take one run of one of the layers."""


Kind: TypeAlias = "type[LayerStatistic] | type[GradientStatistic] | type[ExampleStatistic]"
_Class = TypeVar("_Class", bound=Kind)

REGISTRY: dict[str, Kind] = {}


def statistic(
    name: str, *, per_batch: bool = False, options: Iterable[Option] = ()
) -> Callable[[_Class], _Class]:
    """Register a class as a statistic; criteria may then need it by its name.

    Args:
        name: Its name; must be new.
        per_batch: See `Statistic`.
        options: The options that it reads.

    Raises:
        ValueError: The name, or that of an option, is taken; or one of single examples is of one batch.
    """

    def register(kind: _Class) -> _Class:
        if per_batch and issubclass(kind, ExampleStatistic):
            raise ValueError(f"the statistic {name!r} is of single examples, so it goes on over all batches")
        if name in REGISTRY:
            raise ValueError(f"a statistic named {name!r} is registered already")
        declare(options)
        kind.name, kind.per_batch, kind.options = name, per_batch, tuple(options)
        REGISTRY[name] = kind
        return kind

    return register
