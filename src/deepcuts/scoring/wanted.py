"""What a sweep is asked for, and which passes it takes: what several scores may share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from deepcuts.scoring import gradients
from deepcuts.scoring.criteria import Criterion
from deepcuts.scoring.gradients import Gradient
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.statistics import Statistic
from deepcuts.scoring.strategy import ScoreRequest

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Wanted:
    """A criterion of some gradient, with the options that it reads: what several requests may share.

    Attributes:
        criterion: The formula.
        gradient: The gradient that it sees, if it reads one.
        options: Those that count for nothing are at their defaults.
        limit: The most batches that it reads; None for all.
    """

    criterion: Criterion
    gradient: Gradient
    options: ScoringOptions
    limit: int | None

    def __post_init__(self) -> None:
        # Once: it is asked for with every tensor of every batch.
        object.__setattr__(self, "_hash", hash((self.criterion.name, self.gradient.name, self.options)))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]

    @classmethod
    def of(cls, request: ScoreRequest) -> Wanted:
        """What a request asks for, apart from scope, inversion and options that count for nothing."""
        strategy = request.strategy
        options = strategy.options_read(request.options)
        return cls(strategy.formula, strategy.gradient_read, options, strategy.limit(options))

    @property
    def needs_data(self) -> bool:
        """Whether it reads any batch."""
        return bool(self.criterion.needs)

    @cached_property
    def own_passes(self) -> bool:
        """Whether its gradient takes passes of its own, beside the clean one."""
        return self.criterion.reads_gradient and not self.clean_gradient

    @cached_property
    def clean_pass(self) -> bool:
        """Whether anything of it comes from the pass in which nothing is changed."""
        return self.needs_data and (self.criterion.reads_layers or not self.own_passes)

    @cached_property
    def clean_gradient(self) -> bool:
        """Whether its gradient comes from that pass."""
        reads_batches = self.criterion.reads_gradient and not self.criterion.reads_examples
        return reads_batches and self.gradient.clean

    @cached_property
    def gradient_source(self) -> Clean | Changed:
        """The passes that its gradient comes from."""
        return Clean.of(self) if self.clean_gradient else Changed.of(self)


class Clean(NamedTuple):
    """What the passes in which nothing is changed depend on."""

    dropout: bool
    precision: str
    compiled: bool
    explain: str

    @classmethod
    def of(cls, wanted: Wanted) -> Clean:
        """The pass that a score takes its layers' statistics from, and its gradient if that is clean."""
        # Statistics of layers are the same whatever is differentiated.
        explain = wanted.gradient.explained(wanted.options) if wanted.clean_gradient else "loss"
        return cls(wanted.options.dropout, wanted.options.precision, wanted.options.compile, explain)


class Changed(NamedTuple):
    """What the passes of a gradient that changes something, or of single examples', depend on."""

    gradient: str
    by_example: bool
    explain: str
    dropout: bool
    precision: str
    options: tuple[Any, ...]

    @classmethod
    def of(cls, wanted: Wanted) -> Changed:
        """The passes of a score's gradient; how many batches there are is none of theirs."""
        own = [option for option in wanted.gradient.options if option != wanted.gradient.limit]
        options = wanted.options
        values = tuple(getattr(options, option.name) for option in own)
        by_example = wanted.criterion.reads_examples
        explain = wanted.gradient.explained(options)
        return cls(wanted.gradient.name, by_example, explain, options.dropout, options.precision, values)


def statistic_key(wanted: Wanted, kind: type[Statistic]) -> tuple[Any, ...]:
    """What a statistic's own options say, and over which batches it goes on."""
    values = tuple(getattr(wanted.options, option.name) for option in kind.options)
    return kind.name, values, None if kind.per_batch else wanted.limit


def grouped(wanted: Sequence[Wanted], key: Callable[[Wanted], _Key]) -> dict[_Key, list[Wanted]]:
    """Scores by what `key` says of them, in their order."""
    groups: dict[_Key, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(key(one), []).append(one)
    return groups


def count_passes(requests: Sequence[ScoreRequest], batches: int) -> int:
    """Forward passes, most of them with a backward one, of one sweep over so many batches at most."""

    def longest(sharing: Sequence[Wanted]) -> int:
        return max(batches if one.limit is None else min(one.limit, batches) for one in sharing)

    wanted = list(dict.fromkeys(map(Wanted.of, requests)))
    clean = grouped([one for one in wanted if one.clean_pass], Clean.of)
    changed = grouped([one for one in wanted if one.own_passes], Changed.of)
    return sum(longest(sharing) for sharing in clean.values()) + sum(
        gradients.REGISTRY[key.gradient].passes(sharing[0].options) * longest(sharing)
        for key, sharing in changed.items()
    )
