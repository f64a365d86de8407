"""YAML files of plain values, whoever wrote them: no tags, no floods, nothing that JSON could not say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from deepcuts.common.errors import InputError, brief
from deepcuts.common.text_lines import decode, encoding_fault

_NUMBER = re.compile(
    r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?\.(inf|nan)", re.IGNORECASE
)
_MOST_VALUES, _DEEPEST, _MOST_BYTES = 100_000, 20, 4_000_000


def read_yaml(path: Path, argument: str) -> Any:
    """Read a file of mappings, lists, texts, numbers, booleans and nulls.

    Args:
        path: The file.
        argument: How errors call it.

    Raises:
        InputError: It can't be read, is no YAML, says a name twice in one mapping, or holds what is not
            plain: dates, tags, numbers beyond 64 bits, texts with NUL, lists too deep, or too many values,
            also where few are repeated by aliases.
    """
    import yaml

    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)  # a device may have no end
    except OSError as error:
        raise InputError(argument, str(path), f"it must be a readable file ({brief(error)})") from None
    if len(content) > _MOST_BYTES:
        raise InputError(argument, str(path), f"it must be a file of {_MOST_BYTES:,} bytes at most")
    try:
        found = yaml.load(decode(content), _loader())
    except UnicodeDecodeError as error:
        raise InputError(argument, str(path), f"it {encoding_fault(error)}") from None
    except RecursionError:
        raise InputError(argument, str(path), "it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise InputError(argument, str(path), f"it must be YAML: {error}") from None
    except (ValueError, OverflowError) as error:  # of a number of 5,000 digits, or of a 30th of February
        raise InputError(
            argument, str(path), f"it holds a value that can't be read ({brief(error)})"
        ) from None
    fault = _Counted().fault(found, 0)
    if fault is not None:
        raise InputError(argument, str(path), f"it {fault}")
    return found


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe one, which takes the last of two equal names without a word."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            own = [(key, self.construct_object(key, deep=True)) for key, _ in node.value]
            seen: set[Any] = set()
            for key, value in own:
                if key.tag.endswith(":merge") or not isinstance(value, str | int | float | bool):
                    continue
                if (type(value), value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{value!r} stands twice in one mapping", key.start_mark
                    )
                seen.add((type(value), value))
            return super().construct_mapping(node, deep)

        def construct_number(self, node: Any) -> Any:
            """A number in plain digits: YAML 1.1 has others, of which few know, such as 010 for 8."""
            if not _NUMBER.fullmatch(node.value):
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"{node.value!r} can be read in more than one way; write a number in plain digits, or a "
                    "text in quotes",
                    node.start_mark,
                )
            is_whole = node.tag.endswith(":int")
            return self.construct_yaml_int(node) if is_whole else self.construct_yaml_float(node)

    for kind in ("int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", Loader.construct_number)
    return Loader


class _Counted:
    """Looks at every value, as often as it is repeated."""

    def __init__(self) -> None:
        self._count = 0

    def fault(self, value: Any, depth: int) -> str | None:
        """What is wrong with a value or one within it, as the end of a sentence; None if nothing is."""
        self._count += 1
        if self._count > _MOST_VALUES:
            return f"holds more than {_MOST_VALUES:,} values, those that aliases repeat included"
        if depth > _DEEPEST:
            return "is nested too deeply"
        if isinstance(value, dict | list):
            parts = [*value, *value.values()] if isinstance(value, dict) else value
            return next((fault for part in parts if (fault := self.fault(part, depth + 1))), None)
        if isinstance(value, str):
            return _text_fault(value)
        if isinstance(value, int) and value.bit_length() > 63:
            return "holds a whole number beyond 64 bits"
        if value is None or isinstance(value, int | float):
            return None
        return f"holds a {type(value).__name__}, {str(value)[:40]!r}; write it in quotes if it is a text"


def _text_fault(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"holds a text that is no valid Unicode: {value[:40]!r}"
    return f"holds a text with a NUL: {value[:40]!r}" if "\0" in value else None
