"""The lowest versions that pyproject.toml allows, as pip's requirements, of what is tested with them."""

from __future__ import annotations

import re
from pathlib import Path

import tomllib

#: Beside what is always installed; other extras ask for the versions that are tested anyway.
EXTRAS = ["glue", "report"]

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
wanted = [
    *project["dependencies"],
    *(line for extra in EXTRAS for line in project["optional-dependencies"][extra]),
]
for requirement in wanted:
    name, lowest = re.match(r"([\w.-]+)>=([\w.]+)", requirement).groups()
    if name != "torch":  # the pinned one is the lowest
        print(f"{name}=={lowest}")
