"""The options of scoring: whatever the registered criteria, gradients, statistics and passes declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import FrozenInstanceError, dataclass, replace
from typing import Any

from deepcuts.common import plugins
from deepcuts.common.options import Option, checked_values


@dataclass(frozen=True)
class Limit:
    """What a choice becomes at the limit of one of its options; reports compare with it.

    Attributes:
        option: The option's name.
        words: The limit for people, such as ``"λ → ∞"``.
        becomes: Name of the other choice of the same kind.
        value: The value at which it is that exactly; None where there is none.
    """

    option: str
    words: str
    becomes: str
    value: float | None = None


_DECLARED: dict[str, Option] = {}
_RULES: list[Callable[[ScoringOptions], None]] = []


def declare(options: Iterable[Option], rule: Callable[[ScoringOptions], None] | None = None) -> None:
    """Make options known; the registries of choices call it with those that a choice declares.

    Several choices may declare an equal option, which is then one and the same.

    Args:
        options: What can be set.
        rule: Raises `InputError` where values that are allowed one by one don't go together.

    Raises:
        ValueError: Another option of the name is declared already; then none of these is.
    """
    new = {option.name: option for option in options}
    for name, option in new.items():
        if _DECLARED.get(name, option) != option:
            raise ValueError(f"another option named {name!r} is declared already")
    _DECLARED.update(new)
    if rule is not None:
        _RULES.append(rule)


def scoring_options() -> list[Option]:
    """Every option of scoring that a registered choice declares, those of plugins among them."""
    plugins.load()
    return list(_DECLARED.values())


class ScoringOptions:
    """How scores are computed; a different value is a different score. It never changes.

    It has an attribute for every option in `scoring_options`, which says what each means: those of the
    choices that come with the package (`shift`, `noise_std`, `paths`, `dropout`, `precision`, `compile`,
    `padding`, `max_batches`, `max_smooth_batches`) and those of every choice that is registered later.

    Args:
        given: Name → value; all others are at their defaults.

    Raises:
        InputError: A name is none of an option, or a value is not allowed; raised when they are made.
    """

    __slots__ = ("_changed",)
    _changed: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        # A message must name the option as it is spelled here, not as a configuration does.
        if given.keys() - _DECLARED.keys():
            plugins.load()
        known = [replace(option, setting=option.name) for option in _DECLARED.values()]
        values = checked_values(known, given)
        # Equal whether a default was given or not, and whether an option was registered before or after.
        changed = {name: value for name, value in values.items() if value != _DECLARED[name].default}
        object.__setattr__(self, "_changed", changed)
        for rule in _RULES:
            rule(self)

    def __getattr__(self, name: str) -> Any:
        if name in _DECLARED:
            return self._changed.get(name, _DECLARED[name].default)
        raise AttributeError(f"{type(self).__name__!r} has no option {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete {name!r}")

    def __eq__(self, other: object) -> bool:
        return self._changed == other._changed if isinstance(other, ScoringOptions) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._changed.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._changed.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (self._changed,)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_DECLARED]

    def as_dict(self) -> dict[str, Any]:
        """Name → value of every option, JSON-able."""
        return {name: getattr(self, name) for name in _DECLARED}

    @property
    def changed(self) -> dict[str, Any]:
        """Name → value of those that are not at their default."""
        return dict(self._changed)

    def replace(self, **changes: Any) -> ScoringOptions:
        """The same options with some values changed; raises what making them raises."""
        return ScoringOptions(**{**self._changed, **changes})


def _remake(changed: dict[str, Any]) -> ScoringOptions:
    return ScoringOptions(**changed)
