"""The version of this package, for its root and for what records it."""

from __future__ import annotations

__version__ = "0.1.0"
