"""``python -m deepcuts`` is the command ``deepcuts``."""

from __future__ import annotations

from deepcuts.cli import main

main()
