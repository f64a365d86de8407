"""Configurations from declared options: pydantic turns and freezes values, the options check them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError, create_model

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option

_Config = TypeVar("_Config", bound=BaseModel)


@lru_cache(maxsize=64)
def complete(base: type[_Config], options: Sequence[Option]) -> type[_Config]:
    """A configuration with a field for each option, beside those of its base.

    Args:
        base: What it has whatever the options are.
        options: A tuple of options; a field is called by an option's `setting`. One whose default is
            ``...`` must be given.
    """
    fields: dict[str, Any] = {option.setting: (_annotation(option), option.default) for option in options}
    return create_model(base.__name__, __base__=base, __module__=base.__module__, **fields)


def validated(kind: type[_Config], given: Mapping[str, Any]) -> _Config:
    """Make a configuration; None counts as not given.

    Raises:
        InputError: A value is not allowed, or a name is none of a field; pydantic's errors become ours.
    """
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            raise cause from None
        argument = ".".join(str(part) for part in first["loc"]) or "configuration"
        message = first["msg"]
        if first["type"] == "missing":  # what pydantic calls its input is the whole configuration
            raise InputError(argument, None, "it must be given") from None
        raise InputError(argument, first["input"], message[:1].lower() + message[1:]) from None


def _annotation(option: Option) -> Any:
    hint: Any = option.type if option.count == 1 else tuple[option.type, ...]  # type: ignore[name-defined]
    if option.default is None:
        hint = hint | None

    def no_truth(value: Any) -> Any:
        """Leave everything to pydantic but True and False, which it would take for 1 and 0."""
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        if option.type is not bool and any(isinstance(one, bool) for one in values):
            return option.checked(value)
        return value

    return Annotated[hint, BeforeValidator(no_truth), AfterValidator(option.checked)]
