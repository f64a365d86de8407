"""YAML in which a name that stands twice in a mapping is an error, where a reader silently takes the last."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    pass


def load(text: str) -> Any:
    """Read YAML, of plain values alone.

    Raises:
        yaml.YAMLError: It is none, or a name stands twice in a mapping.
    """
    return yaml.load(text, Loader=_Loader)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: set[Any] = set()
    for key, _ in node.value:
        name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
        if name is not None and name in found:
            raise yaml.constructor.ConstructorError(
                None, None, f"{key.value!r} stands twice in one mapping", key.start_mark
            )
        found.add(name)
    loader.flatten_mapping(node)
    made: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return made


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
