"""Saved models whose configuration is edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any]], None]


def set_to(**values: Any) -> Change:
    return lambda content: content.update(values)


def edited(folder: Path, change: Change) -> Path:
    content = json.loads((folder / "config.json").read_text())
    change(content)
    (folder / "config.json").write_text(json.dumps(content))
    return folder
